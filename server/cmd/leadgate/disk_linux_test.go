package main_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// disk is a small file system for a test.
type disk struct {
	t   *testing.T
	dir string
}

// newDisk mounts an ext4 file system of size MiB through a loop device. It skips the test without root.
func newDisk(t *testing.T, size int64) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a file system of its own takes root")
	}
	for _, tool := range []string{"mkfs.ext4", "mount", "umount"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is needed to make a file system", tool)
		}
	}
	image := filepath.Join(t.TempDir(), "image")
	d := &disk{t: t, dir: filepath.Join(t.TempDir(), "disk")}
	f, err := os.Create(image)
	if err == nil {
		err = f.Truncate(size << 20)
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-m", "0", image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", image, d.dir).CombinedOutput(); err != nil {
		t.Skipf("loop devices cannot be mounted here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", d.dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return d
}

// leave fills the disk until mib MiB are free.
func (d *disk) leave(mib uint64) {
	d.t.Helper()
	filler := filepath.Join(d.dir, "filler")
	if err := os.RemoveAll(filler); err != nil {
		d.t.Fatal(err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(d.dir, &fs); err != nil {
		d.t.Fatal(err)
	}
	free := fs.Bavail * uint64(fs.Bsize)
	if free <= mib<<20 {
		return
	}
	f, err := os.Create(filler)
	if err == nil {
		err = unix.Fallocate(int(f.Fd()), 0, 0, int64(free-mib<<20))
	}
	if err != nil {
		d.t.Fatal(err)
	}
	_ = f.Close()
}

// awaitStatus posts under new keys until the answer has the status.
func (h *house) awaitStatus(want int) answer {
	h.t.Helper()
	for deadline, n := time.Now().Add(patience), 0; ; n++ {
		a := h.post(fmt.Sprintf("%s-%d-%d", h.t.Name(), want, n), url.Values{"email": {"someone@example.com"}})
		if a.status == want {
			return a
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("the answer stays %d %s, want %d", a.status, a.text, want)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func TestOnAFullDiskNothingAcknowledgedIsLostAndAllResumesWithRoom(t *testing.T) {
	t.Parallel()
	d := newDisk(t, 1200)
	h := newHouse(t)
	h.gateway.kill()
	h.data = filepath.Join(d.dir, "data")
	h.restart()
	h.faults(`{"status":503}`)
	first := h.post("k1", ada)
	if first.status != http.StatusCreated {
		t.Fatalf("%d %s", first.status, first.text)
	}
	leadID := first.body["leadId"].(string)
	events := h.gateway.watch()
	await(t, events, leadID, "RETRY")

	// Low: no new leads, but waiting ones are delivered and keys answer.
	d.leave(450)
	if a := h.awaitStatus(http.StatusServiceUnavailable); a.header.Get("Retry-After") == "" || !strings.Contains(a.header.Get("Content-Type"), "problem+json") {
		t.Errorf("503 comes with %v %s", a.header, a.text)
	}
	if again := h.post("k1", ada); again.status != http.StatusOK || again.body["leadId"] != leadID {
		t.Errorf("a known key answers %d %s", again.status, again.text)
	}
	h.faults(`{}`)
	await(t, events, leadID, "SUCCESS")

	// Full: thanks to its ballast, leadgate keeps running and restarts after a kill.
	d.leave(4)
	h.awaitStatus(http.StatusServiceUnavailable)
	h.gateway.kill()
	d.leave(4)
	h.restart()
	if lead := request(t, "GET", h.url("/v1/leads/"+leadID), "", ""); lead.status != http.StatusOK {
		t.Errorf("on a full disk the lead is %d %s", lead.status, lead.text)
	}
	h.awaitStatus(http.StatusServiceUnavailable)
	h.gateway.kill()

	// Full without ballast: it says what to do.
	d.leave(4)
	_, complaint, code := run(t, []string{"HUBSPOT_TOKEN=" + token}, "", "serve", "--config", h.config, "--listen", "127.0.0.1:0", "--data-dir", h.data)
	if code != 1 || !strings.Contains(complaint, "free some space first") || !strings.Contains(complaint, h.data) {
		t.Errorf("ends with %d and says %s", code, complaint)
	}

	// Space again.
	d.leave(1000)
	h.restart()
	if again := h.post("k1", ada); again.status != http.StatusOK || again.body["leadId"] != leadID {
		t.Errorf("a known key answers %d %s", again.status, again.text)
	}
	a := h.awaitStatus(http.StatusCreated)
	await(t, h.gateway.watch(), a.body["leadId"].(string), "SUCCESS")
	if _, err := os.Stat(filepath.Join(h.data, "ballast")); err != nil {
		t.Errorf("the ballast is not back: %v", err)
	}
	if err := h.gateway.stop(); err != nil {
		t.Error(err)
	}
}

func TestIntakeOpensByItselfWhenSpaceReturns(t *testing.T) {
	t.Parallel()
	d := newDisk(t, 900)
	h := newHouse(t)
	h.gateway.kill()
	h.data = filepath.Join(d.dir, "data")
	h.restart()
	h.awaitStatus(http.StatusCreated)
	d.leave(100)
	h.awaitStatus(http.StatusServiceUnavailable)
	d.leave(800)
	h.awaitStatus(http.StatusCreated)
	if err := h.gateway.stop(); err != nil {
		t.Error(err)
	}
}

func TestAReadOnlyDiskIsRefusedWithTheWayOut(t *testing.T) {
	t.Parallel()
	d := newDisk(t, 900)
	h := newHouse(t)
	h.gateway.kill()
	h.data = filepath.Join(d.dir, "data")
	h.restart()
	a := h.awaitStatus(http.StatusCreated)
	h.gateway.kill()
	remount := func(how string) {
		t.Helper()
		if out, err := exec.Command("mount", "-o", "remount,"+how, d.dir).CombinedOutput(); err != nil {
			t.Fatalf("remount: %v: %s", err, out)
		}
	}
	remount("ro")
	_, complaint, code := run(t, []string{"HUBSPOT_TOKEN=" + token}, "", "serve", "--config", h.config, "--listen", "127.0.0.1:0", "--data-dir", h.data)
	if code != 1 || !strings.Contains(complaint, "cannot be written") || !strings.Contains(complaint, "--data-dir") {
		t.Errorf("ends with %d and says %s", code, complaint)
	}
	remount("rw")
	h.restart()
	if lead := request(t, "GET", h.url("/v1/leads/"+a.body["leadId"].(string)), "", ""); lead.status != http.StatusOK {
		t.Errorf("then the lead is %d %s", lead.status, lead.text)
	}
	if err := h.gateway.stop(); err != nil {
		t.Error(err)
	}
}
