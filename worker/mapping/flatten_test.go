package mapping_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/mapping"
)

func TestTwoLeadsDifferInWhatAPersonWouldName(t *testing.T) {
	t.Parallel()
	before := &leadgatev1.Lead{
		Email: "ada@example.com", Company: "Engines", Source: &leadgatev1.Source{UtmSource: "google"},
		Custom:   map[string]*structpb.Value{"budget": structpb.NewStringValue("5"), "vip": structpb.NewBoolValue(true)},
		Consents: []*leadgatev1.Consent{{Purpose: "news", Granted: proto.Bool(true), Text: "Send me news."}, {Purpose: "calls", Granted: proto.Bool(true)}},
	}
	after := &leadgatev1.Lead{
		Email: "ada@example.com", FirstName: "Ada", Source: &leadgatev1.Source{UtmSource: "bing"},
		Custom:   map[string]*structpb.Value{"budget": structpb.NewNumberValue(5), "vip": structpb.NewBoolValue(false)},
		Consents: []*leadgatev1.Consent{{Purpose: "calls"}},
	}
	want := []*leadgatev1.Change{
		{LeadField: "company", From: "Engines"},
		{LeadField: "custom.vip", From: "true", To: "false"},
		{LeadField: "consents.news.granted", From: "true"},
		{LeadField: "consents.news.text", From: "Send me news."},
		{LeadField: "consents.calls.granted", From: "true", To: "false"},
		{LeadField: "source.utm_source", From: "google", To: "bing"},
		{LeadField: "first_name", To: "Ada"},
	}
	got := mapping.Difference(before, after)
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if got := mapping.Difference(before, before); len(got) != 0 {
		t.Errorf("a lead differs from itself in %v", got)
	}
	if got := mapping.Difference(nil, &leadgatev1.Lead{}); len(got) != 0 {
		t.Errorf("no lead differs from an empty one in %v", got)
	}
}
