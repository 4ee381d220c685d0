package server

import (
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
)

// Resubmit reads a stored lead again by the current configuration: a form's lead from what the page sent, a backend's as it came. Its
// quality is not judged again: a person has decided. It implements what [worker.Options] asks for.
func (s *Server) Resubmit(record *leadgatev1.LeadRecord) (*worker.Resubmission, error) {
	h, name := s.house(), record.GetLead().GetSource().GetForm()
	again := &worker.Resubmission{Lead: record.GetLead(), Revision: h.snapshot.Revision}
	form := h.forms[name]
	switch {
	case name == "":
		again.Destinations = h.snapshot.Config.GetLeads().GetDestinations()
	case form == nil:
		again.Problems = []string{fmt.Sprintf("there is no longer a form %q; add it under forms in the configuration", name)}
		return again, nil
	}
	if record.GetSubmission() == nil {
		err := s.validate(&leadgatev1.SubmitLeadRequest{Lead: withoutEnrichment(record.GetLead())})
		again.Problems = problemsOf(err)
		s.routeAgain(form, record, again)
		return again, nil
	}
	result := form.Lead(record.GetSubmission())
	again.Lead, again.Changes, again.Detail = result.Lead, withoutValues(result.Changes), strings.Join(remarks(result, nil), "; ")
	again.Lead.Enrichment = record.GetLead().GetEnrichment()
	again.Problems = problemsOf((&leads{Server: s}).checkForm(result, nil, nil))
	s.routeAgain(form, record, again)
	for _, v := range result.Waiting { // still not mapped
		again.Problems = append(again.Problems, v.Field+" "+v.Message)
	}
	return again, nil
}

// routeAgain sets where a lead of a form now goes. It does nothing if f is nil.
func (s *Server) routeAgain(f *form, record *leadgatev1.LeadRecord, again *worker.Resubmission) {
	if f == nil {
		return
	}
	now := &leadgatev1.LeadRecord{Lead: again.Lead, CreateTime: record.GetCreateTime()}
	by, failures := f.rules.blocked(now)
	if by != nil {
		again.Blocked = by.hold().GetDetail()
	}
	var more []ruleFailure
	again.Destinations, more = f.rules.route(now)
	s.rulesFailed(f.name, append(failures, more...))
}

// withoutEnrichment returns a copy of a lead without what its sender may not send.
func withoutEnrichment(lead *leadgatev1.Lead) *leadgatev1.Lead {
	lead = proto.CloneOf(lead)
	lead.Enrichment = nil
	return lead
}

// problemsOf lists the reasons why a lead is refused, field by field.
func problemsOf(err error) []string {
	if err == nil {
		return nil
	}
	st := status.Convert(err)
	var problems []string
	for _, detail := range st.Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				problems = append(problems, v.GetField()+": "+v.GetDescription())
			}
		}
	}
	if len(problems) == 0 {
		problems = []string{st.Message()}
	}
	return problems
}
