package main_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// fenced returns the code blocks of a language in a document.
func fenced(document, language string) []string {
	var blocks []string
	for _, found := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```").FindAllStringSubmatch(document, -1) {
		blocks = append(blocks, found[1])
	}
	return blocks
}

// commands returns the commands of a document in order, without comments and with continued lines joined.
func commands(document string) []string {
	var all []string
	for _, block := range fenced(document, "sh") {
		for _, line := range strings.Split(strings.ReplaceAll(block, "\\\n", " "), "\n") {
			if line, _, _ = strings.Cut(line, " # "); strings.TrimSpace(line) != "" {
				all = append(all, strings.TrimSpace(line))
			}
		}
	}
	return all
}

// lasting are commands that run until they are ended, with what they print once they are ready.
var lasting = []struct{ prefix, sign string }{
	{"bin/leadgate watch --stage", ""}, // stages that no lead reached
	{"bin/leadgate watch", "STARTED"},
	{"bin/leadgate serve", "listens on"},
	{"bin/leadgate simulate", "listening on"},
	{"curl -N", `"hello"`},
}

// How long a command that prints nothing must run to count as ready.
const silence = time.Second

// guides are the documents for users, in the order in which the first links to the others.
var guides = []string{"README.md", "server/config/README.md", "worker/crm/README.md", "server/observe/README.md", "worker/store/README.md"}

// TestEveryCommandOfTheGuidesWorks runs the commands in order against the demo, like a reader. It replaces only the demo's address,
// because tests run in parallel, and the name of a destination that the demo does not have.
func TestEveryCommandOfTheGuidesWorks(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"curl", "make", "sh"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is needed to run the README's commands", tool)
		}
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	var readme string
	for _, guide := range guides {
		text, err := os.ReadFile(filepath.Join(root, guide))
		if err != nil {
			t.Fatal(err)
		}
		if len(commands(string(text))) == 0 {
			t.Errorf("%s has no command: does the test still read it right?", guide)
		}
		readme += string(text)
	}
	demo := startDemo(t)
	dir := reader(t, root, readme)
	environment := append(os.Environ(),
		"PATH="+filepath.Join(dir, "path")+string(os.PathListSeparator)+os.Getenv("PATH"),
		"LEADGATE_SERVER="+demo.address, "LEADGATE_LISTEN=127.0.0.1:0", "LEADGATE_DATA_DIR="+filepath.Join(dir, "data"),
	)
	for _, command := range commands(readme) {
		if name, isMake := strings.CutPrefix(command, "make"); isMake {
			// make test runs this very test; make run builds what runs above.
			out, err := exec.Command("make", "-C", root, "-n", strings.TrimSpace(name)).CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v: %s", command, err, out)
			}
			continue
		}
		if strings.HasPrefix(command, "export ") {
			name, value, _ := strings.Cut(strings.TrimPrefix(command, "export "), "=")
			environment = append(environment, name+"="+value)
			continue
		}
		runAsReader(t, dir, environment, strings.NewReplacer("localhost:8080", demo.address, "crm-old", "crm").Replace(command))
	}
}

// reader creates the directory of somebody who follows the README: the binary, the configuration, grpcurl.
func reader(t *testing.T, root, readme string) string {
	t.Helper()
	dir := t.TempDir()
	grpcurl := "#!/bin/sh\ncd '" + root + "' && exec go tool -modfile=proto/tools/grpcurl.mod grpcurl \"$@\"\n"
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "bin"), 0o700), os.MkdirAll(filepath.Join(dir, "path"), 0o700),
		os.Symlink(binary, filepath.Join(dir, "bin", "leadgate")),
		os.WriteFile(filepath.Join(dir, "path", "grpcurl"), []byte(grpcurl), 0o700), //nolint:gosec // it is a program
		os.WriteFile(filepath.Join(dir, "leadgate.yaml"), []byte(fenced(readme, "yaml")[0]), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func runAsReader(t *testing.T, dir string, environment []string, command string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*patience) // the first run builds grpcurl
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+command)
	cmd.Dir, cmd.Env = dir, environment
	for _, l := range lasting {
		if strings.HasPrefix(command, l.prefix) {
			runForAWhile(t, cmd, l.sign)
			return
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), `"requestId"`) {
		t.Errorf("%s: %v\n%s", command, errors.Join(err, ctx.Err()), out)
	}
}

// runForAWhile runs a command until it prints sign, or for a while if that is empty, and kills it.
func runForAWhile(t *testing.T, cmd *exec.Cmd, sign string) {
	t.Helper()
	said := newLines()
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		said.close()
	}()
	if sign != "" {
		said.wait(t, regexp.MustCompile(sign))
	} else {
		select {
		case err := <-ended:
			t.Errorf("%v ended: %v\n%s", cmd.Args, err, said.text())
			return
		case <-time.After(silence):
		}
	}
	_ = cmd.Process.Kill() // it may have ended
	<-ended
}
