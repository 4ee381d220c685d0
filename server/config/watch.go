package config

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// How long the directories must be quiet after a change: editors and Kubernetes replace a file in several steps, and the
	// intermediate states must not be read.
	quiet = 100 * time.Millisecond
	// When to look anyway if the directories are never quiet.
	patience = 2 * time.Second
	// How often to look without a change: some network and container file systems report none.
	lookEvery = 30 * time.Second
)

// Files remembers which files a configuration was read from, and can tell whether one has changed. It is safe for concurrent use.
type Files struct {
	env  Environment
	mu   sync.Mutex
	sums map[string]sum // by path
}

// sum is a hash of what was read at a path. The zero value means that it could not be read.
type sum [sha256.Size]byte

// NewFiles returns Files that remember what is read through its Environment.
func NewFiles(env Environment) *Files { return &Files{env: env, sums: map[string]sum{}} }

// Environment returns the environment, wrapped to remember every file as it was first read: later reads, such as a credential at
// its next use, do not hide that it has changed.
func (f *Files) Environment() Environment {
	env := f.env
	env.ReadFile = func(path string) ([]byte, error) {
		data, err := f.env.ReadFile(path)
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, ok := f.sums[path]; !ok {
			f.sums[path] = sumOf(data, err)
		}
		return data, err
	}
	return env
}

func sumOf(data []byte, err error) sum {
	if err != nil {
		return sum{}
	}
	return sha256.Sum256(data)
}

// Changed rereads the files and reports whether any differs from what was first read.
func (f *Files) Changed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for path, before := range f.sums {
		if sumOf(f.env.ReadFile(path)) != before {
			return true
		}
	}
	return false
}

// directories returns the directories where a change of the files can be seen: that of each path, and that of its target if it is a
// symbolic link. Kubernetes replaces links in the former, people edit files in the latter.
func (f *Files) directories() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	directories := map[string]struct{}{}
	for path := range f.sums {
		directories[filepath.Dir(path)] = struct{}{}
		if target, err := filepath.EvalSymlinks(path); err == nil {
			directories[filepath.Dir(target)] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(directories))
}

// Watcher signals when to check whether files have changed.
type Watcher struct {
	notify *fsnotify.Watcher // nil if the system has no capacity for one
	look   chan struct{}
	end    chan struct{}
	done   chan struct{}
}

// NewWatcher returns a watcher that watches nothing yet. Even with an error it can be used, but will notice changes late, by a
// periodic look. Close ends it.
func NewWatcher() (*Watcher, error) {
	w := &Watcher{look: make(chan struct{}, 1), end: make(chan struct{}), done: make(chan struct{})}
	notify, err := fsnotify.NewWatcher()
	var events <-chan fsnotify.Event
	var faults <-chan error
	if err == nil {
		w.notify, events, faults = notify, notify.Events, notify.Errors
	}
	go w.run(events, faults)
	return w, err
}

// Look returns a channel that receives when the files may have changed. Signals coalesce.
func (w *Watcher) Look() <-chan struct{} { return w.look }

// Watch sets the directories to watch to those of files. The error lists directories that cannot be watched; the periodic look
// covers them.
func (w *Watcher) Watch(files *Files) error {
	if w.notify == nil {
		return nil
	}
	wanted, watched := files.directories(), w.notify.WatchList()
	var problems []error
	for _, directory := range watched {
		if !slices.Contains(wanted, directory) {
			_ = w.notify.Remove(directory) // it may be gone already
		}
	}
	for _, directory := range wanted {
		if slices.Contains(watched, directory) {
			continue
		}
		// The periodic look covers a directory that does not exist yet.
		if err := w.notify.Add(directory); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}
		w.signal() // it may have changed after the files were read
	}
	return errors.Join(problems...)
}

// Close stops the watcher and waits for it to end.
func (w *Watcher) Close() error {
	close(w.end)
	<-w.done
	if w.notify == nil {
		return nil
	}
	return w.notify.Close()
}

// run waits for the directories to become quiet after a change, and then signals.
func (w *Watcher) run(events <-chan fsnotify.Event, faults <-chan error) {
	defer close(w.done)
	regular := time.NewTicker(lookEvery)
	defer regular.Stop()
	var settled, overdue <-chan time.Time // nil while nothing changed
	for {
		select {
		case <-w.end:
			return
		case event := <-events:
			if event.Op == fsnotify.Chmod { // on some systems reading a file causes one
				continue
			}
			settled = time.After(quiet)
			if overdue == nil {
				overdue = time.After(patience)
			}
			continue
		case _, open := <-faults: // events were lost
			if !open {
				faults = nil
			}
		case <-regular.C:
		case <-settled:
		case <-overdue:
		}
		settled, overdue = nil, nil
		w.signal()
	}
}

func (w *Watcher) signal() {
	select {
	case w.look <- struct{}{}:
	default: // a signal is already pending
	}
}
