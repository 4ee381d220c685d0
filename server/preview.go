package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
)

// previewSuffix is the end of the path of a form's preview: /v1/forms/{form}:preview.
const previewSuffix = ":preview"

// PreviewForm implements LeadServiceServer.
func (s *leads) PreviewForm(_ context.Context, r *leadgatev1.PreviewFormRequest) (*leadgatev1.PreviewFormResponse, error) {
	h := s.house()
	form := h.forms[r.GetForm()]
	if form == nil {
		return nil, s.formUnknown(r.GetForm())
	}
	if r.GetSubmission().GetTime() == nil {
		r.Submission.Time = timestamppb.New(s.now())
	}
	result := form.Lead(r.GetSubmission())
	verdicts := result.Judge(intake.Counts{}) // previews do not count as submissions
	record := &leadgatev1.LeadRecord{Lead: result.Lead, CreateTime: timestamppb.New(s.now()), ConfigRevision: h.snapshot.Revision}
	answer := &leadgatev1.PreviewFormResponse{
		Outcome: leadgatev1.PreviewOutcome_PREVIEW_OUTCOME_SENT, Lead: result.Lead, Changes: result.Changes, Unmapped: result.Unmapped,
		Holds: holdsOf(result, verdicts), Detail: strings.Join(remarks(result, verdicts), "; "),
	}
	by, failures := form.rules.blocked(record)
	if by != nil && !by.rejects() {
		answer.Holds = append(answer.Holds, by.hold())
		by = nil
	}
	destinations, more := form.rules.route(record)
	if len(destinations) == 0 {
		answer.Holds = append(answer.Holds, noRoute(form.name))
	}
	for _, failure := range append(failures, more...) {
		answer.Detail = strings.TrimPrefix(answer.GetDetail()+fmt.Sprintf("; %s failed: %s", failure.rule, failure.reason), "; ")
	}
	if len(answer.GetHolds()) > 0 {
		answer.Outcome = leadgatev1.PreviewOutcome_PREVIEW_OUTCOME_HELD
	}
	if err := s.checkForm(result, verdicts, by); err != nil {
		answer.Outcome, answer.Problems = leadgatev1.PreviewOutcome_PREVIEW_OUTCOME_REJECTED, previewProblems(err)
	}
	for _, destination := range destinations {
		answer.Deliveries = append(answer.Deliveries, s.previewDelivery(destination, record))
	}
	return answer, nil
}

// previewProblems returns the violations of a submission that would be refused.
func previewProblems(err error) []*leadgatev1.PreviewProblem {
	var problems []*leadgatev1.PreviewProblem
	for _, detail := range status.Convert(err).Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				problems = append(problems, &leadgatev1.PreviewProblem{Field: v.GetField(), Rule: v.GetReason(), Message: v.GetDescription()})
			}
		}
	}
	return problems
}

func (s *leads) previewDelivery(destination string, record *leadgatev1.LeadRecord) *leadgatev1.PreviewDelivery {
	preview := &leadgatev1.PreviewDelivery{Destination: destination}
	if s.back == nil {
		return preview
	}
	payload, err := s.back.Payload(destination, record)
	if err != nil {
		preview.Error = err.Error()
	}
	preview.Payload = payload.Text
	for _, omitted := range payload.Omitted {
		preview.Omitted = append(preview.Omitted, omitted.Property+": "+omitted.Reason)
	}
	return preview
}

// previewOf returns the form whose preview a path asks for.
func previewOf(path string) (form string, ok bool) {
	name, ok := strings.CutPrefix(path, formsPath)
	if !ok {
		return "", false
	}
	name, ok = strings.CutSuffix(name, previewSuffix)
	return name, ok && !strings.Contains(name, "/")
}

// servePreview takes what a page's form would send, in any of its encodings.
func (s *Server) servePreview(w http.ResponseWriter, r *http.Request, name string) {
	if r.Method != http.MethodPost {
		s.writeProblem(w, r, methodNotAllowed(w, "POST"))
		return
	}
	if err := s.letIn(callOf(r.Context()), read); err != nil { // before the body is read
		s.writeProblem(w, r, err)
		return
	}
	submission, err := s.readForm(w, r)
	if err != nil {
		s.writeProblem(w, r, err)
		return
	}
	answer, err := s.client.PreviewForm(r.Context(), &leadgatev1.PreviewFormRequest{Form: name, Submission: submission})
	if err != nil {
		s.writeProblem(w, r, err)
		return
	}
	body, err := newJSON().Marshal(answer)
	if err != nil {
		s.writeProblem(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // fails if the client went away
}
