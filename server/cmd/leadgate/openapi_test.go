package main_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// node returns a directory with the packages of testdata/openapi, installed once per machine. It skips the test if there is no npm.
func node(t *testing.T) string {
	t.Helper()
	skip := t.Skip
	if os.Getenv("LEADGATE_REQUIRE_NODE") != "" {
		skip = t.Fatal
	}
	for _, tool := range []string{"npm", "node"} {
		if _, err := exec.LookPath(tool); err != nil {
			skip(tool, "is needed to drive a stock client of the OpenAPI description")
		}
	}
	wanted, err := os.ReadFile("testdata/openapi/package.json")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	sum := sha256.Sum256(wanted)
	dir := filepath.Join(cache, "leadgate-test-node", hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	building, err := os.MkdirTemp(filepath.Dir(dir), "building-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(building)
	if err := os.WriteFile(filepath.Join(building, "package.json"), wanted, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
	install.Dir = building
	if out, err := install.CombinedOutput(); err != nil {
		skip("npm cannot install the client's packages:", string(out))
	}
	if err := os.Rename(building, dir); err != nil && !errors.Is(err, os.ErrExist) {
		if _, err := os.Stat(dir); err != nil { // another test was faster
			t.Fatal(err)
		}
	}
	return dir
}

// TestAStockClientOfTheDescriptionCallsEveryRoute checks that the description passes a linter, a generator can make types of it, a
// program that uses them compiles, and the gateway's answers match.
func TestAStockClientOfTheDescriptionCallsEveryRoute(t *testing.T) {
	t.Parallel()
	packages := node(t)
	h := newHouse(t)
	dir := t.TempDir()
	for _, name := range []string{"package.json", "redocly.yaml", "tsconfig.json", "walk.ts"} {
		text, err := os.ReadFile(filepath.Join("testdata/openapi", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	description := request(t, "GET", h.url("/openapi.json"), "", "").text
	if err := errors.Join(
		os.Symlink(filepath.Join(packages, "node_modules"), filepath.Join(dir, "node_modules")),
		os.WriteFile(filepath.Join(dir, "openapi.json"), []byte(description), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	for _, step := range [][]string{
		{"node", "node_modules/@redocly/cli/bin/cli.js", "lint", "openapi.json", "--max-problems=20"},
		{"node", "node_modules/openapi-typescript/bin/cli.js", "openapi.json", "-o", "api.d.ts"},
		{"node", "node_modules/typescript/bin/tsc", "-p", "."},
		{"node", "out/walk.js", "http://" + h.gateway.address, h.url("/openapi.json")},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
		cmd := exec.CommandContext(ctx, step[0], step[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true")
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil || strings.Contains(string(out), "Warning was generated") {
			t.Fatalf("%s: %v\n%s", strings.Join(step, " "), err, out)
		}
	}
}
