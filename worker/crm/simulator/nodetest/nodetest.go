// Package nodetest runs the CRMs' own Node clients against the simulators, so that these agree with more than leadgate alone.
// The clients come from npm, into the user's cache, and never into the repository.
package nodetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// required is set where a missing Node is a failure and no reason to skip.
const required = "LEADGATE_REQUIRE_NODE"

// How long npm may take to fetch, and a script to run.
const (
	fetching = 2 * time.Minute
	running  = 2 * time.Minute
)

// Run runs a script with Node in a directory that has the packages of a package.json, and returns what it printed. It skips the
// test where there is no Node, or no npm, or no way to the registry.
func Run(t *testing.T, manifest, script string, arguments ...string) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			without(t, "%s is needed to run the CRM's own client: %v", tool, err)
		}
	}
	dir, err := install(t, manifest)
	if err != nil {
		without(t, "the CRM's own client cannot be had: %v", err)
	}
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), filepath.Base(script))
	// Packages are looked for beside the script.
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "node_modules"), filepath.Join(filepath.Dir(path), "node_modules")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), running)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{path}, arguments...)...)
	cmd.Env = withoutProxies()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(script), err, out)
	}
	return string(out)
}

func without(t *testing.T, format string, arguments ...any) {
	t.Helper()
	if os.Getenv(required) != "" {
		t.Fatalf(format, arguments...)
	}
	t.Skipf(format, arguments...)
}

// install has the packages of a manifest in the user's cache. Whoever comes first fetches them; others find them whole.
func install(t *testing.T, manifest string) (string, error) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(manifest))
	parent := filepath.Join(cache, "leadgate", "node")
	dir := filepath.Join(parent, hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", err
	}
	building, err := os.MkdirTemp(parent, "building-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(building) }() // nothing is left of it if all went well
	if err := os.WriteFile(filepath.Join(building, "package.json"), []byte(manifest), 0o600); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(t.Context(), fetching)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--fetch-retries=1")
	cmd.Dir = building
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm install: %w: %s", err, out)
	}
	if err := os.Rename(building, dir); err != nil {
		if _, there := os.Stat(dir); there != nil { // otherwise somebody else was quicker
			return "", err
		}
	}
	return dir, nil
}

// withoutProxies is the environment without proxies: the simulators are on this machine.
func withoutProxies() []string {
	var kept []string
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); !strings.HasSuffix(strings.ToLower(name), "_proxy") {
			kept = append(kept, variable)
		}
	}
	return kept
}
