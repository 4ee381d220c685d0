package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/leadgate/leadgate/server/config"
)

// directory is how a command that works while no gateway runs finds the data directory.
type directory struct{ config, dataDir string }

func (d *directory) addFlags(cmd *cobra.Command) {
	addConfigFlag(cmd, &d.config)
	cmd.Flags().StringVar(&d.dataDir, "data-dir", "", "data directory; the configuration's if left out")
}

// path is the data directory: the flag's, or the configuration's.
func (d *directory) path() (string, error) {
	if d.dataDir != "" {
		return d.dataDir, nil
	}
	snapshot, err := config.Load(d.config, environment())
	if err != nil {
		return "", fmt.Errorf("%w\nthe configuration would say where the data directory is; name it with --data-dir instead", err)
	}
	return snapshot.Config.GetDataDir(), nil
}
