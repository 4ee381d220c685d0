package worker_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker"
	"github.com/leadgate/leadgate/worker/crm"
)

func (f *fakeCRM) has(properties ...crm.Property) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.schema = &crm.Schema{Properties: properties}
}

func (h *house) drifts() []*leadgatev1.Drift {
	h.t.Helper()
	answer, err := h.service.ListDrift(h.t.Context(), &leadgatev1.ListDriftRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	return answer.GetDrifts()
}

var (
	emailProperty = crm.Property{Name: "email", Label: "E-mail", Type: crm.Text, Native: "string"}
	nameProperty  = crm.Property{Name: "name", Label: "Name", Type: crm.Text, Native: "string", MaxLength: 80}
)

func TestAPropertyThatDoesNotFitIsToldBeforeALeadHitsIt(t *testing.T) {
	t.Parallel()
	renamed := nameProperty
	renamed.Name = "full_name"
	readOnly, number, short := nameProperty, nameProperty, nameProperty
	readOnly.ReadOnly = true
	number.Type, number.Native = crm.Number, "number"
	short.MaxLength = 20
	for name, test := range map[string]struct {
		is         []crm.Property
		want       leadgatev1.DriftType
		suggestion string
	}{
		"gone":         {[]crm.Property{emailProperty, {Name: "birthday", Label: "Birthday"}}, leadgatev1.DriftType_DRIFT_TYPE_PROPERTY_GONE, ""},
		"renamed":      {[]crm.Property{emailProperty, renamed}, leadgatev1.DriftType_DRIFT_TYPE_PROPERTY_GONE, "full_name: first_name"},
		"read-only":    {[]crm.Property{emailProperty, readOnly}, leadgatev1.DriftType_DRIFT_TYPE_PROPERTY_READ_ONLY, ""},
		"another type": {[]crm.Property{emailProperty, number}, leadgatev1.DriftType_DRIFT_TYPE_PROPERTY_TYPE, ""},
		"too short":    {[]crm.Property{emailProperty, short}, leadgatev1.DriftType_DRIFT_TYPE_PROPERTY_TOO_SHORT, ""},
		"required": {
			[]crm.Property{emailProperty, nameProperty, {Name: "region", Label: "Region", Required: true}},
			leadgatev1.DriftType_DRIFT_TYPE_PROPERTY_REQUIRED, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T, h *house) {
				h.crm.has(emailProperty, nameProperty)
				h.apply(nil)
				h.rest(time.Second)
				h.expectDestinationEvents()
				h.crm.has(test.is...)
				h.rest(time.Hour)
				h.expectDestinationEvents("drift")
				event := h.destinationEvents()[0]
				all := h.drifts()
				if len(all) != 1 || all[0].GetType() != test.want || all[0].GetDestination() != "crm" || all[0].GetSince() == nil ||
					all[0].GetSuggestion() != test.suggestion || event.GetSuggestion() != test.suggestion || event.GetProperty() != all[0].GetField() {
					t.Errorf("drift is %v, event %v", all, event)
				}
				h.restart()
				h.apply(nil)
				h.rest(time.Second)
				h.expectDestinationEvents("drift") // and not reported again
				h.crm.has(emailProperty, nameProperty)
				h.rest(time.Hour)
				h.expectDestinationEvents("drift", "drift_over")
				if all := h.drifts(); len(all) != 0 {
					t.Errorf("drift is %v", all)
				}
			})
		})
	}
}

func TestWhatDidNotFitInACRMThatIsNotConfiguredAnyMoreIsNotListed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.addCRM("other", crm.Traits{Kind: "fake", MaxBatch: 1, Account: "other"})
		h.crm.has(emailProperty)
		h.apply(nil)
		h.rest(time.Second)
		if all := h.drifts(); len(all) != 1 {
			t.Fatalf("drift is %v", all)
		}
		h.applyAll("r2", map[string]*configv1.Destination{"other": fakeDestination("other", nil)})
		if all := h.drifts(); len(all) != 0 {
			t.Errorf("without the destination drift is %v", all)
		}
		h.apply(nil)
		h.rest(time.Second)
		if all := h.drifts(); len(all) != 1 {
			t.Errorf("with it again drift is %v", all)
		}
	})
}

func TestADropHasThePropertiesReadAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.has(emailProperty, nameProperty)
		h.apply(nil)
		h.rest(10 * time.Minute)
		h.crm.has(emailProperty)
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			outcome := delivered
			outcome.Dropped, outcome.Reason = []string{"name"}, "the CRM has no property name"
			return each(batch, outcome)
		})
		id := h.accept("ada@example.com Ada")[0]
		h.rest(time.Second)
		d := h.expectState(id, done)
		if got := d.GetAttempts()[0].GetDroppedProperties(); len(got) != 1 || got[0] != "name" {
			t.Errorf("dropped are %v", got)
		}
		h.rest(0)
		h.expectDestinationEvents("drift")
		h.accept(people(50)...)
		h.rest(time.Minute)
		h.crm.mu.Lock()
		defer h.crm.mu.Unlock()
		if h.crm.schemas > 4 {
			t.Errorf("the properties were read %d times", h.crm.schemas)
		}
	})
}

func TestAPropertyThatTheCRMRequiresByNowIsToldOnceALeadRanIntoIt(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.has(emailProperty, nameProperty)
		h.apply(nil)
		h.rest(10 * time.Minute)
		h.crm.has(emailProperty, nameProperty, crm.Property{Name: "region", Label: "Region", Required: true})
		h.crm.script(func(_ context.Context, batch []crm.Item) []crm.Outcome {
			return each(batch, crm.Outcome{Kind: crm.Refused, Reason: "no record without region", Property: "region"})
		})
		h.accept("ada@example.com Ada")
		h.rest(time.Minute)
		if all := h.drifts(); len(all) != 1 || all[0].GetType() != leadgatev1.DriftType_DRIFT_TYPE_PROPERTY_REQUIRED || all[0].GetField() != "region" {
			t.Errorf("drift is %v", all)
		}
	})
}

func TestAValueIsSentAsTheCRMListsIt(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		for _, test := range []struct {
			property  crm.Property
			said, has string
		}{
			{crm.Property{Type: crm.Enumeration, Options: []crm.Option{{Value: "opt_1", Label: "In progress"}}}, "in_progress other", `"opt_1" "other"`},
			{crm.Property{Type: crm.Number}, "4000.50 many", `4000.5 "many"`},
			{crm.Property{Type: crm.Bool}, "true maybe", `true "maybe"`},
		} {
			test.property.Name = "name"
			h.crm.has(emailProperty, test.property)
			h.rest(time.Hour)
			h.apply(nil)
			for i, said := range strings.Fields(test.said) {
				id := h.accept("ada@example.com " + said)[0]
				h.rest(time.Second)
				want := `"name":` + strings.Fields(test.has)[i]
				if got := h.expectState(id, done).GetAttempts()[0].GetPayload(); !strings.Contains(got, want) {
					t.Errorf("sent %s, want %s", got, want)
				}
			}
		}
	})
}

func TestFieldsThatPagesRenamedAreListedToo(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		value, err := proto.Marshal(&leadgatev1.Event{Kind: &leadgatev1.Event_Form{Form: &leadgatev1.FormEvent{
			Type: leadgatev1.FormEventType_FORM_EVENT_TYPE_DRIFT, Form: "contact", Field: "firma", LeadField: "company", Suggestion: "firma: company",
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.store.State("drift").Put(t.Context(), "contact/firma", value, time.Time{}); err != nil {
			t.Fatal(err)
		}
		all := h.drifts()
		if len(all) != 1 || all[0].GetType() != leadgatev1.DriftType_DRIFT_TYPE_FIELD_RENAMED || all[0].GetForm() != "contact" || all[0].GetSuggestion() != "firma: company" {
			t.Errorf("drift is %v", all)
		}
	})
}

func TestATestOfADestinationSaysWhatAnOperatorNeeds(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.crm.pongs(crm.Outcome{Kind: crm.Delivered, Account: "4711", Status: 200})
		h.crm.has(emailProperty)
		h.apply(nil)
		h.rest(time.Second)
		test := func() *leadgatev1.DestinationReport {
			answer, err := h.service.TestDestination(t.Context(), &leadgatev1.TestDestinationRequest{Name: "crm"})
			if err != nil {
				t.Fatal(err)
			}
			return answer.GetReport()
		}
		if r := test(); !r.GetReachable() || r.GetAccount() != "4711" || r.GetProperties() != 1 || len(r.GetDrifts()) != 1 {
			t.Errorf("report: %v", r)
		}
		// Somebody creates the missing property in the CRM, and tests again.
		h.crm.has(emailProperty, crm.Property{Name: "name", Native: "string", Type: crm.Text})
		if r := test(); len(r.GetDrifts()) != 0 {
			t.Errorf("report: %v", r)
		}
		h.rest(time.Second)
		if all := h.drifts(); len(all) != 0 {
			t.Errorf("drift is still %v", all)
		}
		h.crm.pongs(crm.Outcome{Kind: crm.CredentialsRefused, Reason: "the token expired", Status: 401})
		if r := test(); r.GetReachable() || r.GetProblem() != "the token expired" || r.GetCrmStatus() != 401 {
			t.Errorf("report: %v", r)
		}
		_, err := h.service.TestDestination(t.Context(), &leadgatev1.TestDestinationRequest{Name: "cmr"})
		if err == nil || !strings.Contains(err.Error(), "there are: crm") {
			t.Errorf("error is %v", err)
		}
	})
}

func TestDeliveriesAreMovedToAnotherDestination(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		other := h.addCRM("other", crm.Traits{Kind: "fake", MaxBatch: 10, Account: "other"})
		h.apply(nil)
		h.pause("crm")
		ids := h.accept(people(30)...)
		h.applyAll("r2", map[string]*configv1.Destination{"other": fakeDestination("other", nil)})
		h.rest(0)
		move := func(change func(*leadgatev1.MoveDeliveriesRequest)) (*leadgatev1.MoveDeliveriesResponse, error) {
			r := &leadgatev1.MoveDeliveriesRequest{Filter: &leadgatev1.DeliveryFilter{Destination: "crm"}, To: "other"}
			if change != nil {
				change(r)
			}
			return h.service.MoveDeliveries(t.Context(), r)
		}
		if _, err := h.service.RetryDelivery(t.Context(), &leadgatev1.RetryDeliveryRequest{DeliveryId: ids[0]}); err == nil || !strings.Contains(err.Error(), "there are: other") {
			t.Errorf("retried where nobody delivers: %v", err)
		}
		if got, err := h.service.RetryDeliveries(t.Context(), &leadgatev1.RetryDeliveriesRequest{Filter: &leadgatev1.DeliveryFilter{State: leadgatev1.DeliveryState_DELIVERY_STATE_HELD}}); err != nil || got.GetRetried() != 0 {
			t.Errorf("retried where nobody delivers: %v, %v", got, err)
		}
		if _, err := move(func(r *leadgatev1.MoveDeliveriesRequest) { r.To = "nowhere" }); err == nil {
			t.Error("moved to where nobody is")
		}
		if _, err := move(func(r *leadgatev1.MoveDeliveriesRequest) { r.ExpectedCount = 7 }); err == nil {
			t.Error("moved although another number was expected")
		}
		if got, err := move(func(r *leadgatev1.MoveDeliveriesRequest) { r.DryRun = true }); err != nil || got.GetMatched() != 30 || got.GetMoved() != 0 {
			t.Errorf("a dry run: %v, %v", got, err)
		}
		if got, err := move(nil); err != nil || got.GetMatched() != 30 || got.GetMoved() != 30 || got.GetOperationId() == "" {
			t.Errorf("moved: %v, %v", got, err)
		}
		h.rest(time.Second)
		for _, id := range ids {
			h.expectState(id, leadgatev1.DeliveryState_DELIVERY_STATE_CANCELLED)
			h.expectState(strings.TrimSuffix(id, "crm")+"other", done)
		}
		n := 0
		for _, c := range other.seen() {
			n += len(c.items)
		}
		if n != 30 {
			t.Errorf("%d leads reached the other", n)
		}
		answer, err := h.service.DeleteDeliveries(t.Context(), &leadgatev1.DeleteDeliveriesRequest{
			Filter: &leadgatev1.DeliveryFilter{Destination: "crm", State: leadgatev1.DeliveryState_DELIVERY_STATE_CANCELLED}, ExpectedCount: 30,
		})
		if err != nil || answer.GetDeleted() != 30 {
			t.Errorf("deleted: %v, %v", answer, err)
		}
		if _, err := h.store.Delivery(t.Context(), ids[0]); err == nil {
			t.Error("a deleted delivery is there")
		}
	})
}

func TestASupersededDeliveryCanBeForced(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		h.apply(nil)
		h.crm.always(crm.Outcome{Kind: crm.Refused, Reason: "no"})
		old := h.accept("ada@example.com Old")[0]
		h.rest(time.Second)
		h.crm.script(nil)
		h.accept("ada@example.com New")
		h.rest(time.Second)
		retry := func(force bool) {
			if _, err := h.service.RetryDelivery(t.Context(), &leadgatev1.RetryDeliveryRequest{DeliveryId: old, Force: force}); err != nil {
				t.Fatal(err)
			}
			h.rest(time.Second)
		}
		retry(false)
		h.expectState(old, superseded)
		retry(true)
		h.expectState(old, done)
	})
}

func TestAnOptionThatTheConfigurationNamesAndTheCRMHasNotIsTold(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, h *house) {
		status := crm.Property{Name: "status", Label: "Status", Type: crm.Enumeration, Native: "enumeration", Options: []crm.Option{{Value: "NEW", Label: "New"}, {Value: "OPEN", Label: "Open"}}}
		source := crm.Property{Name: "lead_source", Label: "Source", Type: crm.Enumeration, Native: "enumeration", Options: []crm.Option{{Value: "Web", Label: "Web"}}}
		h.crm.has(emailProperty, status, source)
		apply := func(revision, fresh string) {
			t.Helper()
			if err := h.worker.Apply(worker.Config{
				Revision: revision,
				Destinations: map[string]*configv1.Destination{"crm": fakeDestination("crm", func(d *configv1.Destination) {
					d.Properties = map[string]string{"email": "email", "status": "custom.status", "lead_source": `= has(lead.email) ? "Web" : ""`}
				})},
				Forms: map[string]*configv1.Form{
					"contact": {Destinations: []string{"crm"}, Values: map[string]*configv1.Value{"custom.status": {Enum: map[string]string{"neu": fresh, "offen": "open"}}}},
					"other":   {Destinations: []string{"erp"}, Values: map[string]*configv1.Value{"custom.status": {Default: "elsewhere"}}},
				},
			}); err != nil {
				t.Fatal(err)
			}
			h.rest(time.Second)
		}
		apply("r1", "new")
		h.expectDestinationEvents()
		expect := func(field string, words ...string) {
			t.Helper()
			all := h.drifts()
			if len(all) != 1 || all[0].GetType() != leadgatev1.DriftType_DRIFT_TYPE_PROPERTY_OPTION || all[0].GetField() != field {
				t.Fatalf("drift is %v", all)
			}
			for _, word := range words {
				if !strings.Contains(all[0].GetDetail(), word) {
					t.Errorf("drift does not say %s: %s", word, all[0].GetDetail())
				}
			}
		}
		status.Options = status.Options[:1]
		h.crm.has(emailProperty, status, source)
		h.rest(time.Hour)
		h.expectDestinationEvents("drift")
		expect("status", "no option open (any more); it has NEW")
		apply("r2", "fresh")
		expect("status", "no option fresh, open (any more)")
		status.Options = append(status.Options, crm.Option{Value: "fresh"}, crm.Option{Value: "open"})
		source.Options[0].Value, source.Options[0].Label = "Website", "Website"
		h.crm.has(emailProperty, status, source)
		h.rest(time.Hour)
		h.expectDestinationEvents("drift", "drift", "drift_over")
		expect("lead_source", "no option Web (any more); it has Website")
	})
}
