// Package nodetest runs the CRMs' own Node clients against the simulators, to check them against more than leadgate. The clients
// come from npm and are stored in the user's cache, never in the repository.
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

// required is the environment variable that makes a missing Node a failure instead of a reason to skip.
const required = "LEADGATE_REQUIRE_NODE"

// How long npm may download, and how long a script may run.
const (
	fetching = 2 * time.Minute
	running  = 2 * time.Minute
)

// Run runs a Node script with the packages of a package.json installed, and returns its output. It skips the test if there is no
// Node, no npm, or no access to the registry.
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
	// Node looks for packages beside the script.
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

// install installs the packages of a manifest in the user's cache, unless they are there. Concurrent callers never see a partial
// installation.
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
	defer func() { _ = os.RemoveAll(building) }() // renamed if all went well
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
		if _, there := os.Stat(dir); there != nil { // otherwise another process was faster
			return "", err
		}
	}
	return dir, nil
}

// withoutProxies returns the environment without proxies: the simulators run on this machine.
func withoutProxies() []string {
	var kept []string
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); !strings.HasSuffix(strings.ToLower(name), "_proxy") {
			kept = append(kept, variable)
		}
	}
	return kept
}
