// Package config reads the configuration file: YAML in the form of the message leadgate.config.v1.Config.
//
// A file is either accepted as a whole, or refused with a list of all problems, each with its line, its column and how to fix it.
// The file has no credentials, only references to them, which are resolved when they are used.
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

// Example is a configuration file that explains every key. Parse accepts it if the environment variables that it refers to are set.
//
//go:embed example.yaml
var Example string

// How much of the file's hash is its revision: short enough to read aloud, long enough that two versions of a file do not share it
// by chance.
const revisionBytes = 6

// Snapshot is the configuration at one moment. Once in use, it is shared and must not be changed. The zero value is not valid.
type Snapshot struct {
	// Config is the content of the file, with defaults filled in. It has references instead of credentials.
	Config *configv1.Config
	// Revision is a short hash of the file, which has no secrets in it. Leads and attempts record it.
	Revision string
	// Secret replaces the references in a configured value by their current content. Its errors name the reference, never the
	// content. It is safe for concurrent use if the environment is.
	Secret func(value string) (string, error)
	// Hints describe what is valid but probably not intended, each with its place in the file.
	Hints []string
}

// Environment is what a configuration can refer to. Both functions are required.
type Environment struct {
	// LookupEnv returns the value of an environment variable, and whether it is set.
	LookupEnv func(name string) (string, bool)
	// ReadFile returns a file's content. Relative paths are relative to the working directory.
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

// Parse checks the content of a configuration file, which errors call name. The error has one line for each problem, in the form
// name:line:column: message.
func Parse(name string, data []byte, env Environment) (Snapshot, error) {
	r := &review{file: name}
	text, ok := r.read(data)
	if !ok {
		return Snapshot{}, r.err()
	}
	cfg := &configv1.Config{}
	r.shape(cfg.ProtoReflect().Descriptor(), env)
	// Faults of the shape were reported above, in better words. The rest is decoded anyway, so that the checks below find their
	// problems in the same run. The line feed is for protoyaml, which panics on a problem after the last line, such as a key
	// without a value at the end of the file.
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
