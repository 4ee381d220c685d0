package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// The builds are made from two copies of the source in different places. Linking takes long.
func TestTwoBuildsAreTheSameBytes(t *testing.T) {
	if os.Getenv("LEADGATE_SOAK") == "" {
		t.Skip("set LEADGATE_SOAK=1 to build twice; make soak does")
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	only := runtime.GOOS + "/" + runtime.GOARCH
	made := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	var sums [2]string
	var out string
	for i := range sums {
		source := filepath.Join(t.TempDir(), fmt.Sprint("copy", i))
		if err := os.CopyFS(source, sourceOf(root)); err != nil {
			t.Fatal(err)
		}
		t.Chdir(source)
		out = filepath.Join(t.TempDir(), "out")
		if err := (release{"v1.2.3", out, made}).build(t.Context(), only); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = string(text)
	}
	if sums[0] != sums[1] || strings.Count(sums[0], "\n") < 2 {
		t.Errorf("the first build has\n%s\nthe second\n%s", sums[0], sums[1])
	}

	check := exec.Command("sha256sum", "-c", "SHA256SUMS")
	check.Dir = out
	if said, err := check.CombinedOutput(); err != nil && !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("the checksums: %v\n%s", err, said)
	}
	name := fmt.Sprintf("leadgate-v1.2.3-%s-%s", runtime.GOOS, runtime.GOARCH)
	if version := runFrom(t, filepath.Join(out, name), name); version != "leadgate v1.2.3\n" {
		t.Errorf("the binary says it is %q", version)
	}
	var parts struct {
		BomFormat  string
		Components []struct{ Name, PURL string }
	}
	text, err := os.ReadFile(filepath.Join(out, "leadgate-v1.2.3.cdx.json"))
	if err != nil || json.Unmarshal(text, &parts) != nil || parts.BomFormat != "CycloneDX" || len(parts.Components) < 20 {
		t.Errorf("the list of parts: %d, %v", len(parts.Components), err)
	}
	if !strings.Contains(string(text), `"purl": "pkg:golang/google.golang.org/grpc@v1.`) {
		t.Error("the list of parts lacks grpc")
	}
}

// They depend neither on the clock nor on the order in which parts are found.
func TestArchivesAndListsDependOnNothingButTheirContents(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "leadgate")
	if err := os.WriteFile(path, []byte("a binary"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := release{"v1", "", time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	for name, pack := range map[string]func(io.Writer, []file) error{"tar": r.tar, "zip": r.zip} {
		var packed [2]bytes.Buffer
		for i := range packed {
			if err := os.Chtimes(path, time.Now(), time.Unix(int64(i)*1000, 0)); err != nil {
				t.Fatal(err)
			}
			if err := pack(&packed[i], []file{{"leadgate-v1/leadgate", path, 0o755}}); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(packed[0].Bytes(), packed[1].Bytes()) || packed[0].Len() == 0 {
			t.Errorf("%s: two archives differ", name)
		}
	}
	a, b := &debug.Module{Path: "example.com/a", Version: "v1.0.0", Sum: "h1:x"}, &debug.Module{Path: "example.com/b", Version: "v2.0.0"}
	first, second := bill("v1", r.made, []*debug.Module{a, b, a}), bill("v1", r.made, []*debug.Module{b, a})
	if !bytes.Equal(first, second) || strings.Count(string(first), `"purl": "pkg:golang/example.com`) != 2 || !strings.Contains(string(first), "h1:x") {
		t.Errorf("two lists of the same parts: %s and %s", first, second)
	}
	if bytes.Equal(first, bill("v1", r.made, []*debug.Module{a})) {
		t.Error("two lists of other parts are the same")
	}
}

// sourceOf returns the source without files that a build does not need, such as a binary or a database.
func sourceOf(root string) sourceFS { return sourceFS{os.DirFS(root)} }

// runFrom unpacks an archive and returns the output of the binary's version command.
func runFrom(t *testing.T, archive, name string) string {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "leadgate")
	if runtime.GOOS == "windows" {
		packed, err := zip.OpenReader(archive + ".zip")
		if err != nil {
			t.Fatal(err)
		}
		defer packed.Close()
		if err := os.CopyFS(dir, packed); err != nil {
			t.Fatal(err)
		}
		binary = filepath.Join(dir, name, "leadgate.exe")
	} else {
		data, err := os.ReadFile(archive + ".tar.gz")
		if err != nil {
			t.Fatal(err)
		}
		unpacked, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		files := tar.NewReader(unpacked)
		header, err := files.Next()
		if err != nil || header.Name != name+"/leadgate" || header.FileInfo().Mode().Perm() != 0o755 {
			t.Fatalf("the first file: %+v, %v", header, err)
		}
		content, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(binary, content, 0o700); err != nil { //nolint:gosec // it is a program
			t.Fatal(err)
		}
	}
	said, err := exec.Command(binary, "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}

// No code may use what one of the systems does not have.
func TestEverySystemCompiles(t *testing.T) {
	if os.Getenv("LEADGATE_SOAK") == "" {
		t.Skip("set LEADGATE_SOAK=1 to compile for eight systems; make soak does")
	}
	// Two more, for which nothing is released: another Unix, and 32 bits.
	for _, system := range append(targets(), target{"freebsd", "amd64"}, target{"linux", "arm"}) {
		build := exec.Command("go", "build", "./server/cmd/leadgate", "./clients/...")
		build.Dir = "../../.."
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system.system, "GOARCH="+system.machine)
		if out, err := build.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", system, err, out)
		}
	}
}
