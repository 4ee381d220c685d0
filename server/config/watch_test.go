package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/server/config"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFileThatChangedAppearedOrWentIsNoticed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before string
		change func(t *testing.T, path string)
		want   bool
	}{
		"nothing":                {"a", func(*testing.T, string) {}, false},
		"the same written again": {"a", func(t *testing.T, path string) { write(t, path, "a") }, false},
		"another content":        {"a", func(t *testing.T, path string) { write(t, path, "b") }, true},
		"gone":                   {"a", func(_ *testing.T, path string) { _ = os.Remove(path) }, true},
		"appeared":               {"", func(t *testing.T, path string) { write(t, path, "a") }, true},
		"emptied":                {"a", func(t *testing.T, path string) { write(t, path, "") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "secret")
			if test.before != "" {
				write(t, path, test.before)
			}
			files := config.NewFiles(config.Environment{ReadFile: os.ReadFile})
			env := files.Environment()
			_, _ = env.ReadFile(path)
			test.change(t, path)
			_, _ = env.ReadFile(path) // a later use of a credential
			if got := files.Changed(); got != test.want {
				t.Errorf("changed: %t, want %t", got, test.want)
			}
		})
	}
}

// Kubernetes keeps files in a separate directory, behind a link that it replaces.
func TestALinkThatIsReplacedIsNoticed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, version := range []string{"..v1", "..v2"} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "token"), version)
	}
	link := func(from, to string) {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	link("..data", "..v1")
	link("token", filepath.Join("..data", "token"))
	files := config.NewFiles(config.Environment{ReadFile: os.ReadFile})
	if _, err := files.Environment().ReadFile(filepath.Join(dir, "token")); err != nil {
		t.Fatal(err)
	}
	watcher, err := config.NewWatcher()
	if err != nil {
		t.Skipf("files cannot be watched here: %v", err)
	}
	defer watcher.Close()
	if err := watcher.Watch(files); err != nil {
		t.Fatal(err)
	}
	link("..data_new", "..v2")
	if err := os.Rename(filepath.Join(dir, "..data_new"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-watcher.Look():
	case <-time.After(10 * time.Second):
		t.Fatal("nobody noticed")
	}
	if !files.Changed() {
		t.Error("the file behind the link is said to be the same")
	}
}

func TestADifferenceIsNamedAsTheFileHasIt(t *testing.T) {
	t.Parallel()
	before := &configv1.Config{
		Listen: ":1", Forms: map[string]*configv1.Form{"a": {}, "b": {Required: []string{"email"}}, "gone": {}},
		Destinations: map[string]*configv1.Destination{"crm": {}},
	}
	after := proto.CloneOf(before)
	if got := config.Difference(before, after); len(got) != 0 {
		t.Errorf("two equal ones differ in %v", got)
	}
	after.Listen = ":2"
	after.Forms["b"].Required = nil
	after.Forms["new"] = &configv1.Form{}
	delete(after.Forms, "gone")
	after.Log = &configv1.Log{Level: "debug"}
	if got, want := config.Difference(before, after), []string{"forms.b", "forms.gone", "forms.new", "listen", "log"}; !slices.Equal(got, want) {
		t.Errorf("they differ in %v, want %v", got, want)
	}
}

func TestWhatNeedsARestartStaysAsItIs(t *testing.T) {
	t.Parallel()
	before := &configv1.Config{
		Listen: ":1", DataDir: "a", Log: &configv1.Log{Format: "json", Level: "info"}, Intake: &configv1.Intake{MaxBodyBytes: 1},
	}
	after := &configv1.Config{
		Listen: ":2", DataDir: "b", CleartextHttp2: "mixed", Tls: &configv1.TLS{CertFile: "c", KeyFile: "k"},
		Log: &configv1.Log{Format: "text", Level: "debug"}, Intake: &configv1.Intake{MaxBodyBytes: 2},
	}
	got := config.Fixed(before, after)
	if want := []string{"listen", "data_dir", "cleartext_http2", "tls", "log.format", "intake.max_body_bytes"}; !slices.Equal(got, want) {
		t.Errorf("a restart is needed for %v, want %v", got, want)
	}
	if got, want := config.Difference(before, after), []string{"log"}; !slices.Equal(got, want) { // its level
		t.Errorf("what remains differs in %v, want %v", got, want)
	}
}
