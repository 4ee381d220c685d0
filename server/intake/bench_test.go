package intake_test

import (
	"encoding/json"
	"net/url"
	"testing"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
	"github.com/leadgate/leadgate/server/intake"
)

// usual is what most leads are like.
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
