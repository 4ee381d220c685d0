// Package config reads the configuration file: YAML in the shape of the message leadgate.config.v1.Config.
//
// A file is taken as a whole or refused with everything that is wrong with it, each problem with its line, its column and
// the way out. Credentials do not stand in it: they are references, which are resolved when they are used.
package config

import (
	"crypto/sha256"
	_ "embed" // for Example
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"buf.build/go/protoyaml"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
)

// Example is a configuration file with every key explained. It passes Parse as it stands, once the environment variables
// that it names are set.
//
//go:embed example.yaml
var Example string

// How much of the file's hash makes its revision: short enough to be read aloud, long enough that two versions of one file
// never share it by chance.
const revisionBytes = 6

// Snapshot is the configuration at one moment. Once it is in use it is shared, and nobody changes it. The zero value is not a
// configuration.
type Snapshot struct {
	// Config is what the file says, with the defaults filled in. In the place of credentials it holds references.
	Config *configv1.Config
	// Revision is a short hash of the file, thus of nothing secret. Leads and attempts keep it.
	Revision string
	// Secret replaces the references in a configured value by what they stand for at the moment. Its errors name the
	// reference, never its content. It is safe for concurrent use if the environment is.
	Secret func(value string) (string, error)
	// Hints say what is allowed and probably not meant, each with its place in the file. They keep nothing from working.
	Hints []string
}

// Environment is what a configuration may refer to. Both functions must be set.
type Environment struct {
	// LookupEnv returns an environment variable, and whether it is set.
	LookupEnv func(name string) (string, bool)
	// ReadFile returns a file's content. Relative paths are the process's own.
	ReadFile func(path string) ([]byte, error)
}

// Load reads and checks the configuration file at path.
func Load(path string, env Environment) (Snapshot, error) {
	data, err := env.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Snapshot{}, fmt.Errorf("there is no configuration file %s: name another with --config, or make one with: leadgate check --example > %[1]s", path)
	case err != nil:
		return Snapshot{}, fmt.Errorf("read the configuration: %w", err)
	}
	return Parse(path, data, env)
}

// Parse checks the content of a configuration file; name is what its errors call it. The error lists every problem on a line
// of its own, as name:line:column: message.
func Parse(name string, data []byte, env Environment) (Snapshot, error) {
	r := &review{file: name}
	text, ok := r.read(data)
	if !ok {
		return Snapshot{}, r.err()
	}
	cfg := &configv1.Config{}
	r.shape(cfg.ProtoReflect().Descriptor(), env)
	// What the shape does not allow was reported above, in better words; the rest is decoded all the same, so that the
	// checks below find their problems in the same run. The line feed is for protoyaml, which panics over a problem behind
	// the last line: a key without a value at the end of the file.
	decoder := protoyaml.UnmarshalOptions{DiscardUnknown: true, CustomUnmarshaler: durations{}}
	if err := decoder.Unmarshal(append(text, '\n'), cfg); err != nil && len(r.problems) == 0 {
		return Snapshot{}, fmt.Errorf("%s: %w", name, err)
	}
	setDefaults(cfg)
	if err := r.rules(cfg); err != nil {
		return Snapshot{}, fmt.Errorf("%s: %w", name, err)
	}
	if err := r.expressions(cfg); err != nil {
		return Snapshot{}, fmt.Errorf("%s: %w", name, err)
	}
	r.consistency(cfg, env)
	if err := r.err(); err != nil {
		return Snapshot{}, err
	}
	r.hints(cfg)
	return Snapshot{Config: cfg, Revision: revision(data), Secret: env.resolve, Hints: r.lines(r.hinted)}, nil
}

func revision(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:revisionBytes])
}
