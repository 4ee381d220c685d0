package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/leadgate/leadgate/server/config"
	"github.com/leadgate/leadgate/worker/store/badger"
)

// directory finds the data directory, for commands that work while no gateway runs.
type directory struct{ config, dataDir string }

func (d *directory) addFlags(cmd *cobra.Command) {
	addConfigFlag(cmd, &d.config)
	cmd.Flags().StringVar(&d.dataDir, "data-dir", "", "data directory (default: the configuration's)")
}

// options returns the options of the data directory: the flag's or the configuration's, with the configuration's encryption keys.
// Without a configuration file the flag is enough.
func (d *directory) options() (badger.Options, error) {
	snapshot, err := config.Load(d.config, environment())
	switch {
	case err == nil:
		o, err := storeOptions(snapshot)
		if d.dataDir != "" {
			o.Dir = d.dataDir
		}
		return o, err
	case d.dataDir == "":
		return badger.Options{}, fmt.Errorf("%w\nthe configuration would say where the data directory is; name it with --data-dir instead", err)
	}
	if _, missing := os.Stat(d.config); missing != nil {
		return badger.Options{Dir: d.dataDir}, nil
	}
	return badger.Options{}, fmt.Errorf("%w\nthe configuration may say how the data directory is encrypted; name another with --config if it does not concern it", err)
}

// storeOptions returns what a configuration says about the store.
func storeOptions(s config.Snapshot) (o badger.Options, err error) {
	o.Dir, o.LargestLead = s.Config.GetDataDir(), int(s.Config.GetIntake().GetMaxBodyBytes())
	for _, key := range []struct {
		name, reference string
		into            *[]byte
	}{
		{"store.encryption_key", s.Config.GetStore().GetEncryptionKey(), &o.EncryptionKey},
		{"store.previous_encryption_key", s.Config.GetStore().GetPreviousEncryptionKey(), &o.PreviousKey},
	} {
		if key.reference == "" {
			continue
		}
		secret, err := s.Secret(key.reference)
		if err == nil {
			*key.into, err = badger.EncryptionKey(secret)
		}
		if err != nil {
			return o, fmt.Errorf("%s: %w", key.name, err)
		}
	}
	return o, nil
}
