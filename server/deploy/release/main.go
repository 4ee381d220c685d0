// Command release builds leadgate for every supported system:
//
//	go run ./server/deploy/release -version v1.2.3 -out bin/release
//
// It writes to the directory an archive for each system, a bill of materials (CycloneDX), and the checksums of all files. Builds
// are reproducible: the same commit and Go version yield the same bytes everywhere.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"debug/buildinfo"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// target is a system to build for.
type target struct{ system, machine string }

func targets() []target {
	var all []target
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, machine := range []string{"amd64", "arm64"} {
			all = append(all, target{system, machine})
		}
	}
	return all
}

func (t target) String() string { return t.system + "/" + t.machine }

// release describes a build.
type release struct {
	version string
	out     string
	made    time.Time // the time of every file in the archives
}

func main() {
	version := flag.String("version", "dev", "the version")
	out := flag.String("out", "bin/release", "directory to write to")
	only := flag.String("only", "", "build for this system only, such as linux/amd64")
	made := flag.Int64("time", 0, "seconds since 1970: the time of every file, such as the commit's")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	r := release{*version, *out, time.Unix(*made, 0).UTC()}
	err := r.build(ctx, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func (r release) build(ctx context.Context, only string) error {
	if err := errors.Join(os.RemoveAll(r.out), os.MkdirAll(r.out, 0o755)); err != nil {
		return err
	}
	var parts []*debug.Module
	built := 0
	for _, t := range targets() {
		if only != "" && only != t.String() {
			continue
		}
		info, err := r.archive(ctx, t)
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		parts = append(parts, info.Deps...)
		built++
		fmt.Println(t)
	}
	if built == 0 {
		return fmt.Errorf("-only %s: the systems are %v", only, targets())
	}
	if err := r.script(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.out, "leadgate-"+r.version+".cdx.json"), bill(r.version, r.made, parts), 0o644); err != nil {
		return err
	}
	return r.checksums()
}

// archive builds for one system and packs the binary with the licence and the README.
func (r release) archive(ctx context.Context, t target) (*buildinfo.BuildInfo, error) {
	dir, err := os.MkdirTemp("", "leadgate-release-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover is in the system's temporary directory
	binary, extension := "leadgate", ".tar.gz"
	if t.system == "windows" {
		binary, extension = "leadgate.exe", ".zip"
	}
	path := filepath.Join(dir, binary)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.version="+r.version, "-o", path, "./server/cmd/leadgate")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.system, "GOARCH="+t.machine, "GOFLAGS=-mod=readonly", "GOAMD64=v1", "GOARM64=v8.0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("leadgate-%s-%s-%s", r.version, t.system, t.machine)
	var packed bytes.Buffer
	pack := r.tar
	if extension == ".zip" {
		pack = r.zip
	}
	files := []file{{name + "/" + binary, path, 0o755}, {name + "/LICENSE", "LICENSE", 0o644}, {name + "/README.md", "README.md", 0o644}}
	if err := pack(&packed, files); err != nil {
		return nil, err
	}
	return info, os.WriteFile(filepath.Join(r.out, name+extension), packed.Bytes(), 0o644)
}

// file is a file in an archive.
type file struct {
	name, path string
	mode       int64
}

func (r release) tar(w io.Writer, files []file) error {
	packed, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(packed)
	for _, f := range files {
		data, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(data)), ModTime: r.made, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(data); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), packed.Close())
}

func (r release) zip(w io.Writer, files []file) error {
	archive := zip.NewWriter(w)
	for _, f := range files {
		data, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: r.made}
		header.SetMode(os.FileMode(f.mode)) //nolint:gosec // modes are small
		entry, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := entry.Write(data); err != nil {
			return err
		}
	}
	return archive.Close()
}

// script adds the browser client, for sites that host it themselves, and a file with the value of its integrity attribute. The
// client that a gateway serves has none, because it changes with the gateway.
func (r release) script() error {
	data, err := os.ReadFile("gen/js/leadgate.js")
	if err != nil {
		return err
	}
	sum := sha512.Sum384(data)
	path := filepath.Join(r.out, "leadgate-"+r.version+".js")
	return errors.Join(
		os.WriteFile(path, data, 0o644),
		os.WriteFile(path+".integrity", []byte("sha384-"+base64.StdEncoding.EncodeToString(sum[:])+"\n"), 0o644),
	)
}

// checksums writes SHA256SUMS of all files, in the format of sha256sum -c.
func (r release) checksums() error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var lines []string
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(r.out, entry.Name()))
		if err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf("%x  %s\n", sha256.Sum256(data), entry.Name()))
	}
	slices.Sort(lines)
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(strings.Join(lines, "")), 0o644)
}
