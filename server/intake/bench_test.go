package intake_test

import (
	"encoding/json"
	"net/url"
	"testing"

	"buf.build/go/protovalidate"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
)

// usual returns a typical submission.
func usual() *leadgatev1.Submission {
	return submission(
		"email", "ada@example.com", "firstname", "Ada", "lastname", "Lovelace", "company", "Analytical Engines", "country", "GB",
		"message", "Please call me about the loom.", "budget", "4000", "utm_campaign", "spring",
	)
}

func BenchmarkLead(b *testing.B) {
	form := newForm(b, nil)
	phone := usual()
	phone.Fields = append(phone.Fields, &leadgatev1.Submission_Field{Name: "phone", Values: []string{"020 7946 0958"}})
	for name, s := range map[string]*leadgatev1.Submission{"WithoutPhone": usual(), "WithPhone": phone} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				form.Lead(s)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	flat, all := map[string]string{}, url.Values{}
	for _, field := range usual().GetFields() {
		flat[field.GetName()] = field.GetValues()[0]
		all[field.GetName()] = field.GetValues()
	}
	object, err := json.Marshal(flat)
	if err != nil {
		b.Fatal(err)
	}
	for contentType, body := range map[string][]byte{typeJSON: object, typeForm: []byte(all.Encode())} {
		b.Run(contentType, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := intake.Decode(contentType, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTidy(b *testing.B) {
	lead := newForm(b, nil).Lead(usual()).Lead
	b.ReportAllocs()
	for b.Loop() {
		intake.Tidy(lead)
	}
}

// BenchmarkTenFields measures a typical page, from the body of its request to a valid lead: decode, map, clean, normalize, judge
// and validate, with a phone number and a country.
func BenchmarkTenFields(b *testing.B) {
	form := newForm(b, nil)
	validator, err := protovalidate.New(protovalidate.WithMessages(&leadgatev1.Lead{}))
	if err != nil {
		b.Fatal(err)
	}
	all := []string{
		"email", "Ada.Lovelace@Example.com", "firstname", "Ada", "lastname", "Lovelace", "phone", "(415) 555-0132", "company", "Analytical Engines",
		"country", "United States", "message", "Please call me about the loom.", "budget", "4000", "utm_campaign", "spring",
		"page", "https://www.example.com/contact",
	}
	query, object := url.Values{}, map[string]string{}
	for i := 0; i < len(all); i += 2 {
		query.Set(all[i], all[i+1])
		object[all[i]] = all[i+1]
	}
	asJSON, err := json.Marshal(object)
	if err != nil {
		b.Fatal(err)
	}
	filter := protovalidate.WithFilter(protovalidate.FilterFunc(intake.MayBreak))
	for contentType, body := range map[string][]byte{typeJSON: asJSON, typeForm: []byte(query.Encode())} {
		b.Run(contentType, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				fields, err := intake.Decode(contentType, body)
				if err != nil {
					b.Fatal(err)
				}
				result := form.Lead(&leadgatev1.Submission{Fields: fields})
				result.Judge(intake.Counts{})
				if err := validator.Validate(result.Lead, filter); err != nil || len(result.Violations)+len(result.Omitted) > 0 {
					b.Fatal(err, result.Violations, result.Omitted)
				}
			}
		})
	}
}
