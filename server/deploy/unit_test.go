package deploy_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The unit's user owns no file, and only root may read secrets.
func TestTheUnitMayReadWhatIsInstalled(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("leadgate.service")
	if err != nil {
		t.Fatal(err)
	}
	unit, root, here := string(text), t.TempDir(), t.TempDir()
	for _, name := range []string{"leadgate", "leadgate.yaml", "leadgate.env", "leadgate.service"} {
		if err := os.WriteFile(filepath.Join(here, name), []byte(unit), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"/usr/local/bin", "/etc/systemd/system"} {
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range regexp.MustCompile(`(?m)^#   (install .*)$`).FindAllStringSubmatch(unit, -1) {
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", regexp.MustCompile(` (/(usr|etc)/)`).ReplaceAllString(line[1], " "+root+"$1"))
		cmd.Dir = here
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", line[1], err, out)
		}
	}
	for path, want := range map[string]fs.FileMode{
		"/usr/local/bin/leadgate": 0o755, "/etc/leadgate": 0o755 | fs.ModeDir, "/etc/leadgate/leadgate.yaml": 0o644, "/etc/leadgate/leadgate.env": 0o600,
		"/etc/systemd/system/leadgate.service": 0o644,
	} {
		if info, err := os.Stat(root + path); err != nil || info.Mode() != want {
			t.Errorf("%s is installed as %v (%v), want %v", path, info.Mode(), err, want)
		}
	}
	setting := func(name string) string {
		found := regexp.MustCompile(`(?m)^` + name + `=-?(.*)$`).FindStringSubmatch(unit)
		if found == nil {
			t.Fatalf("the unit has no %s", name)
		}
		return found[1]
	}
	for name, path := range map[string]string{"ExecStart": "/etc/leadgate/leadgate.yaml", "EnvironmentFile": "/etc/leadgate/leadgate.env"} {
		if !strings.Contains(setting(name), path) {
			t.Errorf("%s=%s, want %s in it", name, setting(name), path)
		}
	}
	if seconds, err := strconv.Atoi(setting("TimeoutStopSec")); err != nil || seconds <= 20 {
		t.Errorf("TimeoutStopSec=%d: leadgate may take 20 s", seconds)
	}
	if !strings.Contains(setting("ExecReload"), "-HUP") {
		t.Errorf("ExecReload=%s, but SIGHUP is what leadgate reads its configuration again for", setting("ExecReload"))
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is needed to verify the unit")
	}
	itself, err := os.Executable() // a program that exists
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "leadgate.service")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(unit, "/usr/local/bin/leadgate", itself)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
