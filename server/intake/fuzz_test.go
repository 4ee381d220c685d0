package intake_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
)

// everyForm returns a form of each kind: with everything configured, without any fields, and with auto_map.
func everyForm(t testing.TB) map[string]*intake.Form {
	t.Helper()
	all := func(cfg *configv1.Form) {
		cfg.Fields["name"], cfg.Fields["website"], cfg.Fields["zip"], cfg.Fields["state"] = intake.FullName, "website", "postal_code", "region"
		cfg.Fields["when"], cfg.Fields["size"], cfg.Fields["ok"] = "custom.when", "custom.size", "custom.ok"
		cfg.Values = map[string]*configv1.Value{
			"custom.budget": {Type: "decimal"}, "custom.when": {Type: "date"}, "custom.size": {Enum: map[string]string{"1-10": "small"}, Default: "small"},
			"custom.ok": {Type: "boolean"}, "company": {MaxLength: 20},
		}
		cfg.Honeypot = []string{"trap"}
		cfg.Consents = map[string]*configv1.ConsentField{"news": {Field: "news", TextField: "news_text"}}
		cfg.Quality = &configv1.Quality{TimingField: "shown"}
	}
	bare, err := intake.NewForm("contact", &configv1.Form{})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*intake.Form{
		"configured": newForm(t, all), "bare": bare,
		"auto map": newForm(t, func(cfg *configv1.Form) { all(cfg); cfg.AutoMap, cfg.Required = true, []string{"email", "company"} }),
	}
}

// fatal is what tests, fuzz targets and properties have in common.
type fatal interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// checkResult checks what must hold for any input: only documented faults, nothing unbounded, nothing lost, and a lead that stays
// the same when it is read again.
func checkResult(t fatal, form *intake.Form, s *leadgatev1.Submission) {
	t.Helper()
	before := proto.CloneOf(s)
	result := form.Lead(s)
	verdicts := result.Judge(intake.Counts{})
	if !proto.Equal(before, s) {
		t.Fatal("the submission was changed")
	}
	checkRules(t, result)
	if size := proto.Size(result.Lead); size > 3*proto.Size(s)+8<<10 {
		t.Fatalf("%d bytes of a submission become %d", proto.Size(s), size)
	}
	if len(verdicts) > 12 || len(result.Drift) > 30 {
		t.Fatalf("%d verdicts, %d drifts", len(verdicts), len(result.Drift))
	}
	for _, change := range result.Changes {
		if change.GetReason() == "" || change.GetLeadField() == "" {
			t.Fatalf("a change without a reason: %v", change)
		}
	}
	for _, v := range append(append(result.Violations, result.Omitted...), result.Waiting...) {
		if v.Rule == "" || v.Message == "" {
			t.Fatalf("a violation without a rule or words: %v", v)
		}
	}
}

// checkRules checks that the rules that MayBreak skips are never broken.
func checkRules(t fatal, result *intake.Result) {
	t.Helper()
	var broken *protovalidate.ValidationError
	if err := protovalidate.Validate(result.Lead); err != nil && !errors.As(err, &broken) {
		t.Fatal(err)
	}
	filtered := protovalidate.Validate(result.Lead, protovalidate.WithFilter(protovalidate.FilterFunc(intake.MayBreak)))
	if (broken == nil) != (filtered == nil) || broken != nil && broken.Error() != filtered.Error() {
		t.Fatalf("all rules say %v, those that may break %v", broken, filtered)
	}
}

func FuzzSubmission(f *testing.F) {
	files, err := filepath.Glob("testdata/builders/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if sample := readSample(f, file); !intake.IsMultipart(sample.ContentType) {
			f.Add(sample.ContentType, sample.Body, "https://www.example.com/?utm_source=x")
		}
	}
	f.Add(typeForm, "email=%22A%22+%3Ca%40example.com%3E&e-mail=b&phone=%2B1+415&name=A+B&trap=1&shown=1&news=on&budget=1.000,5&when=1/2/2026&tags[0]=a", "")
	f.Add(typeJSON, `{"a":{"email":"x@y.z"},"b":[[{"c":null}]],"fields":[{"name":"email","value":["a","b"]}]}`, "?%")
	forms := everyForm(f)
	f.Fuzz(func(t *testing.T, contentType, body, page string) {
		fields, err := intake.Decode(contentType, []byte(body))
		if err != nil {
			return
		}
		for _, form := range forms {
			checkResult(t, form, &leadgatev1.Submission{Fields: fields, PageUrl: strings.ToValidUTF8(page, ""), Time: timestamppb.Now()})
		}
	})
}

func TestWhatFormsMakeOfTheTablesStaysSo(t *testing.T) {
	t.Parallel()
	form := newForm(t, func(cfg *configv1.Form) {
		cfg.Fields = map[string]string{
			"email": "email", "first_name": "first_name", "last_name": "last_name", "phone": "phone", "company": "company", "website": "website",
			"region": "region", "postal_code": "postal_code", "country": "country", "message": "message", "city": "city", "street": "street", "job_title": "job_title",
		}
	})
	files, err := filepath.Glob("testdata/builders/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bare, err := intake.NewForm("contact", &configv1.Form{DefaultRegion: "US"})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		lead := bare.Lead(&leadgatev1.Submission{Fields: readSample(t, file).decode(t)}).Lead
		var pairs []string
		for path, text := range told(lead) {
			if !strings.Contains(path, ".") {
				pairs = append(pairs, path, text)
			}
		}
		again := read(form, pairs...)
		lead.Source, again.Lead.Source = nil, nil
		if diff := cmp.Diff(lead, again.Lead, protocmp.Transform()); diff != "" || len(again.Changes) > 0 {
			t.Errorf("%s, read again:\n%s\n%v", file, diff, again.Changes)
		}
	}
}
