package server

import (
	"context"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/store"
)

// filterFinds refuses a filter by a form that is neither configured nor the form of any stored lead. It was probably misspelt, and an
// empty answer would look like good news. Leads of a form that was removed can still be found. Filters by destination are the worker's to
// check.
func (s *Server) filterFinds(ctx context.Context, req any) error {
	var forms []string
	switch r := req.(type) {
	case *leadgatev1.WatchDeliveriesRequest:
		forms = r.GetForm()
	case *leadgatev1.ListLeadsRequest:
		forms = []string{r.GetForm()}
	case *leadgatev1.ExportLeadsRequest:
		forms = []string{r.GetForm()}
	case *leadgatev1.ListDeliveriesRequest:
		forms = []string{r.GetForm()}
	case interface{ GetFilter() *leadgatev1.LeadFilter }:
		forms = []string{r.GetFilter().GetForm()}
	case interface {
		GetFilter() *leadgatev1.DeliveryFilter
	}:
		forms = []string{r.GetFilter().GetForm()}
	}
	for _, name := range forms {
		if name == "" || s.house().forms[name] != nil {
			continue
		}
		found, err := s.anyLeadFrom(ctx, name)
		if err != nil {
			return worker.StatusOf(err, "lead")
		}
		if !found {
			return s.formUnknown(name)
		}
	}
	return nil
}

// anyLeadFrom reports whether any lead of a form is stored.
func (s *Server) anyLeadFrom(ctx context.Context, form string) (bool, error) {
	for token := ""; ; {
		page, next, err := s.store.Leads(ctx, store.LeadQuery{Form: form}, 1, token)
		if token = next; err != nil || len(page) > 0 || token == "" {
			return len(page) > 0, err
		}
	}
}
