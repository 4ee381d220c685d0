package server

import (
	"errors"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/store"
)

// Backup implements LeadServiceServer.
func (s *leads) Backup(r *leadgatev1.BackupRequest, stream grpc.ServerStreamingServer[leadgatev1.BackupResponse]) error {
	if err := stream.Send(&leadgatev1.BackupResponse{StoreBytes: s.store.Size()}); err != nil {
		return err
	}
	position, err := s.store.Backup(stream.Context(), r.GetSince(), chunks{stream})
	if err != nil {
		return worker.StatusOf(err, "backup")
	}
	return stream.Send(&leadgatev1.BackupResponse{Position: position})
}

// chunks sends what is written to it as parts of a backup.
type chunks struct {
	stream grpc.ServerStreamingServer[leadgatev1.BackupResponse]
}

// The largest part of a backup in bytes, well below the limit of a gRPC message.
const maxChunk = 256 << 10

// Write implements io.Writer.
func (c chunks) Write(b []byte) (written int, err error) {
	for len(b) > 0 {
		n := min(len(b), maxChunk)
		if err := c.stream.Send(&leadgatev1.BackupResponse{Chunk: b[:n]}); err != nil {
			return written, err
		}
		written, b = written+n, b[n:]
	}
	return written, nil
}

// How many leads of an export are read at a time.
const exportPage = 100

// ExportLeads implements LeadServiceServer. Pages are read one by one, so that a long export blocks nothing. Leads accepted meanwhile are
// not included.
func (s *leads) ExportLeads(r *leadgatev1.ExportLeadsRequest, stream grpc.ServerStreamingServer[leadgatev1.ExportLeadsResponse]) error {
	q := store.LeadQuery{State: r.GetState(), Form: r.GetForm(), Email: store.Address(r.GetEmail())}
	if r.GetSince() != nil {
		q.Since = r.GetSince().AsTime()
	}
	if r.GetUntil() != nil {
		q.Until = r.GetUntil().AsTime()
	}
	for token := ""; ; {
		page, next, err := s.store.Leads(stream.Context(), q, exportPage, token)
		if err != nil {
			return worker.StatusOf(err, "lead")
		}
		for _, lead := range page {
			deliveries, err := s.store.LeadDeliveries(stream.Context(), lead.GetLeadId())
			if err != nil {
				return worker.StatusOf(err, "lead")
			}
			if err := stream.Send(&leadgatev1.ExportLeadsResponse{Record: lead, Deliveries: deliveries}); err != nil {
				return err
			}
		}
		if token = next; token == "" {
			break
		}
	}
	// Of a damaged table, what can be read was sent. The answer must not be that this was everything.
	if err := s.store.Writable(); errors.Is(err, store.ErrDamaged) {
		return worker.Failure(err, codes.DataLoss, &errdetails.ErrorInfo{Reason: "EXPORT_INCOMPLETE"},
			"the store is damaged, and leads may be missing from this export: stop leadgate, and see leadgate doctor")
	}
	return nil
}
