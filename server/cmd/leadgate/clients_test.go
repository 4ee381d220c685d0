package main_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryLineOfTheClientsREADMEWorks runs its blocks one after the other, each as one script, against the demo. A call that
// is announced there to fail is followed by || true.
func TestEveryLineOfTheClientsREADMEWorks(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"curl", "sh", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is needed to run the README's commands", tool)
		}
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "clients", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	front, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	demo := start(t, nil, "demo", "--listen", "127.0.0.1:0")
	dir := reader(t, root, string(front))
	blocks := fenced(string(text), "sh")
	if len(blocks) < 10 {
		t.Errorf("only %d blocks were found: does the test still read the README right?", len(blocks))
	}
	for _, block := range blocks {
		ctx, cancel := context.WithTimeout(t.Context(), 10*patience) // grpcurl is built once
		cmd := exec.CommandContext(ctx, "sh", "-e", "-c", strings.ReplaceAll(block, "localhost:8080", demo.address))
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+filepath.Join(dir, "path")+string(os.PathListSeparator)+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			t.Errorf("%s: %v\n%s", block, err, out)
		}
	}
}
