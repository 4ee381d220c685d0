package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/store/badger"
)

func newBackup() *cobra.Command {
	var (
		conn  connection
		addTo string
		force bool
	)
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Back up everything while the gateway runs",
		Long: `Back up everything a running gateway keeps, as a consistent snapshot. With --add-to, only what changed since an earlier
backup; restoring then needs both.

A backup contains the leads and the store's secrets: protect it accordingly. FILE - is standard output. An existing file is left
alone; with --force it is replaced once the new backup is complete.`,
		Example: `  leadgate backup monday.backup
  leadgate backup --add-to monday.backup tuesday.backup`,
		Args: exactArgs("FILE"),
		RunE: conn.with(func(cmd *cobra.Command, args []string, gateway *services) error {
			if err := mayWrite(args[0], addTo, force); err != nil {
				return err
			}
			request := &leadgatev1.BackupRequest{}
			if addTo != "" {
				f, err := os.Open(addTo)
				if err != nil {
					return err
				}
				request.Since, err = badger.BackupPosition(bufio.NewReader(f))
				if err = errors.Join(err, f.Close()); err != nil {
					return fmt.Errorf("%s: %w", addTo, err)
				}
			}
			stream, err := gateway.Backup(cmd.Context(), request)
			if err != nil {
				return conn.explain(err)
			}
			bar := newProgress(cmd.ErrOrStderr(), "backing up")
			defer bar.done()
			receive := func(to io.Writer) (int64, error) {
				return receiveBackup(&conn, stream, to, request.GetSince() != "", bar)
			}
			if args[0] == "-" {
				_, err = receive(cmd.OutOrStdout())
				return err
			}
			n, err := writeWhole(args[0], receive)
			if err != nil {
				return err
			}
			bar.done()
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", args[0], size(n))
			return nil
		}),
	}
	conn.addFlags(cmd)
	cmd.Flags().StringVar(&addTo, "add-to", "", "earlier backup to add to")
	cmd.Flags().BoolVar(&force, "force", false, "replace FILE if it exists")
	return cmd
}

// mayWrite refuses to overwrite a file whose content may still be needed.
func mayWrite(file, addTo string, force bool) error {
	there, err := os.Stat(file)
	if file == "-" || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if before, err := os.Stat(addTo); err == nil && os.SameFile(there, before) {
		return fmt.Errorf("%s is needed to restore what adds to it; give the new backup another name", file)
	}
	switch {
	case !there.Mode().IsRegular():
		return fmt.Errorf("%s is no file; name one, or - for standard output", file)
	case !force:
		return fmt.Errorf("%s exists; give the backup another name, or have it replaced with --force", file)
	}
	return nil
}

// receiveBackup writes the parts of a backup. It returns an error if the last part is missing.
func receiveBackup(conn *connection, stream interface {
	Recv() (*leadgatev1.BackupResponse, error)
}, to io.Writer, adding bool, bar *progress) (written int64, err error) {
	var about int64
	for {
		part, err := stream.Recv()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the gateway ended the backup before it was whole")
			}
			return written, conn.explain(err)
		}
		if part.GetStoreBytes() > 0 && !adding {
			about = part.GetStoreBytes()
		}
		n, err := to.Write(part.GetChunk())
		if err != nil {
			return written, err
		}
		written += int64(n)
		bar.bytes(written, about)
		if part.GetPosition() != "" {
			return written, nil
		}
	}
}

// writeWhole writes a file that gets its name only once it is complete and synced. Others cannot read it.
func writeWhole(path string, write func(io.Writer) (int64, error)) (n int64, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part*") // mode 0600
	if err != nil {
		return 0, err
	}
	n, err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return n, err
}

func newRestore() *cobra.Command {
	var (
		dir      directory
		erasures string
	)
	cmd := &cobra.Command{
		Use:   "restore FILE ...",
		Short: "Restore a backup into an empty data directory",
		Long: `Restore a backup, followed by those that add to it in the order they were made, into a data directory without a store.
Every file is verified first; on error nothing is left behind.

Deliveries unfinished at the time of the backup may have been made since, so they are held: see leadgate deliveries list
--state held, and send them with leadgate deliveries retry. People erased after the backup are erased again if --erasures names
the list: the old data directory's erasures.ndjson, or the gateway's log. A list already in the new data directory is used too,
and keeps what --erasures names.`,
		Example: `  leadgate restore --data-dir /var/lib/leadgate monday.backup tuesday.backup
  leadgate restore --data-dir /var/lib/leadgate --erasures /mnt/old/erasures.ndjson monday.backup`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("name the backup to restore, and those that add to it")}
			}
			o, err := dir.options()
			if err != nil {
				return err
			}
			result, err := restore(cmd.Context(), o, args, erasures, newProgress(cmd.ErrOrStderr(), "restoring"))
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: as of %s, %s with %s; %d unfinished ones are held, %s erased\n",
				o.Dir, result.Time.UTC().Format(time.RFC3339), count(int(result.Leads), "lead"), deliveries(result.Deliveries), result.Held, count(int(result.Erased), "lead"))
			switch {
			case result.Listed == 0 && erasures != "":
				fmt.Fprintf(cmd.OutOrStdout(), "%s names nobody: whoever was erased after the backup is back\n", erasures)
			case result.Listed == 0:
				fmt.Fprintln(cmd.OutOrStdout(), "no erasure list was found: whoever was erased after the backup is back; see --erasures")
			}
			sayLeftOut(cmd.OutOrStdout(), result.LeftOut)
			sayHowToSend(cmd.OutOrStdout(), result.Held)
			return nil
		},
	}
	dir.addFlags(cmd)
	cmd.Flags().StringVar(&erasures, "erasures", "", "list of erased people: an erasures.ndjson, or the gateway's log")
	return cmd
}

func restore(ctx context.Context, o badger.Options, files []string, erasures string, bar *progress) (badger.Restored, error) {
	defer bar.done()
	var backups []io.Reader
	var list io.Reader
	if erasures != "" {
		f, err := os.Open(erasures)
		if err != nil {
			return badger.Restored{}, err
		}
		defer f.Close()
		list = f
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return badger.Restored{}, err
		}
		defer f.Close()
		backups = append(backups, f)
	}
	return badger.Restore(ctx, o, backups, list, bar.entries)
}

// How many of the records left out are named.
const mostNamed = 20

// sayLeftOut names the records that a restored or salvaged store lacks because they could not be read.
func sayLeftOut(w io.Writer, names []string) {
	if len(names) == 0 {
		return
	}
	fmt.Fprintf(w, "left out, because they cannot be read: %s\n", count(len(names), "record"))
	for _, name := range names[:min(len(names), mostNamed)] {
		fmt.Fprintf(w, "  %s\n", name)
	}
	if more := len(names) - mostNamed; more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}

// sayHowToSend says how to send the deliveries that a restored or salvaged store holds because they may have been made since.
func sayHowToSend(w io.Writer, held int64) {
	if held > 0 {
		fmt.Fprintln(w, "with the gateway running, look at them with: leadgate deliveries list --state held")
		fmt.Fprintln(w, "and send them with: leadgate deliveries retry --all --state held")
	}
}
