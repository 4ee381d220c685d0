package main_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"golang.org/x/sys/unix"
)

// terminal is a pseudo terminal in which leadgate runs.
type terminal struct {
	t      *testing.T
	master *os.File
	screen *vt.Emulator
	drawn  chan struct{} // holds a signal when the screen has changed
	cmd    *exec.Cmd

	mu   sync.Mutex
	text string // the content of the screen
}

// inTerminal runs leadgate in a terminal of 150 columns and 30 lines.
func inTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no pseudo terminals: ", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 150}); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, master: master, screen: vt.NewEmulator(150, 30), drawn: make(chan struct{}, 1), cmd: exec.Command(binary, args...)}
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = slave, slave, slave
	term.cmd.Env = append(os.Environ(), "TERM=xterm-256color")
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	read, answered := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		buffer := make([]byte, 64<<10)
		for {
			n, err := master.Read(buffer)
			_, _ = term.screen.Write(buffer[:n]) // never fails
			term.mu.Lock()
			term.text = term.screen.String()
			term.mu.Unlock()
			select {
			case term.drawn <- struct{}{}:
			default:
			}
			if err != nil { // the other end was closed
				return
			}
		}
	}()
	go func() { // the terminal's answers to queries
		defer close(answered)
		_, _ = io.Copy(master, term.screen)
	}()
	t.Cleanup(func() {
		_ = term.cmd.Process.Kill() // it may have ended
		_ = term.cmd.Wait()
		<-read
		if t.Failed() {
			t.Logf("the terminal showed:\n%s", term.shown())
		}
		master.Close()
		_ = term.screen.InputPipe().(io.Closer).Close() // the emulator's own Close races with its Read
		<-answered
	})
	return term
}

func (term *terminal) press(keys string) {
	term.t.Helper()
	if _, err := term.master.WriteString(keys); err != nil {
		term.t.Fatal(err)
	}
}

// shown returns the content of the screen.
func (term *terminal) shown() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.text
}

func (term *terminal) shows(pattern string) {
	term.t.Helper()
	wanted, deadline := regexp.MustCompile(pattern), time.After(patience)
	for !wanted.MatchString(term.shown()) {
		select {
		case <-term.drawn:
		case <-deadline:
			term.t.Fatalf("it does not show %s", pattern)
		}
	}
}

func TestWatchIsALiveTableInATerminal(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	term := inTerminal(t, "watch", "--server", h.gateway.address)
	term.shows(`leadgate ▸ [0-9.:]+ +● live`)
	term.shows(`no event yet that this shows. Try: curl`)
	term.shows(`▸ crm +● flowing`)
	h.submit(1)
	term.shows(`contact +a\*\*\*@example.com +● success +crm`)

	term.press("p")
	term.shows(`pause crm\? +y yes`)
	term.press("y")
	term.shows(`crm is paused; leads are still accepted, and wait`)
	if a := request(t, "GET", h.url("/v1/destinations"), "", ""); !strings.Contains(a.text, "DESTINATION_STATUS_PAUSED") {
		t.Errorf("destinations: %s", a.text)
	}
	term.press("r")
	term.shows(`nothing died on the way to crm`)
	term.press("?")
	term.shows(`freeze the view, or resume it`)
	term.press("/")
	term.press("nobody\r")
	term.shows(`/nobody`)

	term.press("q")
	ended := make(chan error, 1)
	go func() { ended <- term.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("q does not end it")
	}
}

func TestTheTableSaysThatTheGatewayIsAway(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	address := h.gateway.address
	term := inTerminal(t, "watch", "--server", address)
	term.shows(`● live`)
	h.gateway.kill()
	term.shows(`leadgate ▸ [0-9.:]+ +▲ the gateway is away; waiting for it, figures of [0-9:]+`)
	term.press("?") // keys clear notes, but not this one
	term.shows(`freeze the view, or resume it`)
	if !strings.Contains(term.shown(), "the gateway is away") {
		t.Error("a key takes away that the gateway is away")
	}
	h.gateway = start(t, []string{"HUBSPOT_TOKEN=" + token}, "serve", "--config", h.config, "--listen", address, "--data-dir", h.data)
	term.shows(`● live`)
	term.press("q")
	if err := term.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestTheTableSaysWhoIsOnAnAlert(t *testing.T) {
	t.Parallel()
	h, in := alarmed(t, "")
	h.faults(`{"status":401}`)
	h.submit(1)
	in.await(t, "alert.firing credentials/crm")
	term := inTerminal(t, "watch", "--server", h.gateway.address)
	term.shows(`▲ crm refuses the credentials`)
	h.command("alerts", "acknowledge", "credentials/crm", "--note", "Ada calls them")
	term.shows(`❚❚ crm refuses the credentials.* somebody is on it since .*Ada calls`)
	term.press("q")
	if err := term.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestWatchSaysWhenNobodyAnswersBeforeTheScreenChanges(t *testing.T) {
	t.Parallel()
	term := inTerminal(t, "watch", "--server", "127.0.0.1:1")
	term.shows(`no gateway answers at 127.0.0.1:1 .*: start one with leadgate serve`)
}
