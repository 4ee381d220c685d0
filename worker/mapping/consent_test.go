package mapping_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/worker/mapping"
)

func TestConsentsTravel(t *testing.T) {
	t.Parallel()
	m, err := mapping.Compile(map[string]string{
		"opt_in": "consents.news.letter.granted", "opt_in_text": "consents.news.letter.text", "opt_in_version": "consents.news.letter.text_version",
		"opt_in_at": "consents.news.letter.time", "opt_in_page": "consents.news.letter.page_url", "opt_in_ip": "consents.news.letter.ip",
		"calls": "consents.calls.granted",
	})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 24, 12, 4, 31, 0, time.UTC)
	record := &leadgatev1.LeadRecord{Lead: &leadgatev1.Lead{Consents: []*leadgatev1.Consent{
		{Purpose: "news.letter", Granted: proto.Bool(true)},
		{Purpose: "news.letter", Text: "Send me news.", TextVersion: "7", Time: timestamppb.New(at), PageUrl: "https://www.example.com/", Ip: "192.0.2.7"},
	}}}
	want := map[string]any{
		"opt_in": false, "opt_in_text": "Send me news.", "opt_in_version": "7", "opt_in_at": "2026-11-24T12:04:31Z",
		"opt_in_page": "https://www.example.com/", "opt_in_ip": "192.0.2.7", // but not calls: nobody asked
	}
	got := map[string]any{}
	properties, _ := m.Map(record)
	for _, property := range properties {
		got[property.Name] = property.Value
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAConsentThatCannotBeMappedIsToldWithTheWayOut(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"consents.newsletter": "such as consents.newsletter.granted", "consents.": "such as consents.newsletter.granted", "consents.newsletter.when": "granted, text, text_version, time",
	} {
		if err := mapping.Check(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
