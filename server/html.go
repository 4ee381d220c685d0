package server

import (
	_ "embed" // for the page
	"html/template"
	"net/http"
	"net/url"
	"strings"

	leadgatev1 "github.com/leadgate/leadgate/gen/go/leadgate/v1"
)

//go:embed answer.html
var answerPage string

// page is the answer to a visitor whose browser sent the form itself, without JavaScript.
type page struct {
	Language    string
	Done        bool // whether the submission was accepted
	Title, Text string
	Violations  []problemViolation
	Back        string // address of the page with the form; empty if unknown
	BackText    string
}

// The page loads nothing and runs nothing.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

func parseAnswerPage() (*template.Template, error) { return template.New("answer").Parse(answerPage) }

// wantsPage reports whether a browser will show the answer to a visitor: then it asks for HTML before anything else, which scripts do
// not.
func wantsPage(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	media, _, _ := strings.Cut(first, ";")
	return strings.EqualFold(strings.TrimSpace(media), "text/html")
}

// writeThanks answers a visitor's submission, by a redirect to the form's own page if one is configured. A repeated submission gets the
// same answer.
func (s *Server) writeThanks(w http.ResponseWriter, r *http.Request, form *form, status int, suggestions []*leadgatev1.SubmitFormResponse_Suggestion) {
	if target := form.cfg.GetRedirect(); target != "" {
		w.Header().Set("Location", target)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	in := s.words.spokenBy(r.Header.Get("Accept-Language"))
	thanks := page{Done: true, Title: in.say("page.thanks", "Thank you"), Text: in.say("page.received", "We have received what you sent.")}
	for _, suggestion := range suggestions {
		thanks.Violations = append(thanks.Violations, problemViolation{
			Field: suggestion.GetField(), Message: in.say("page.meant", "did you mean") + " " + suggestion.GetDidYouMean() + "?",
		})
	}
	s.writePage(w, r, status, in, thanks)
}

// writeRefusal tells a visitor why a submission was refused.
func (s *Server) writeRefusal(w http.ResponseWriter, r *http.Request, p *problem) {
	in := s.words.spokenBy(r.Header.Get("Accept-Language"))
	content := page{Title: in.say("page.failed", "That did not work")}
	switch {
	case len(p.Violations) > 0:
		content.Title = in.say("page.check", "Please check what you entered")
		content.Text = in.say("page.correct", "Nothing was sent yet. Go back, correct this, and send it again:")
		content.Violations = p.Violations
	case p.Status == http.StatusMethodNotAllowed && r.URL.RawQuery == "": // the page with the answer was reloaded
		content.Text = in.say("page.nothing", "Nothing was sent just now: this address only takes what a form sends.")
	case p.Status >= http.StatusInternalServerError || p.Status == http.StatusTooManyRequests:
		content.Text = in.say("page.later", "We could not take what you sent just now. Please go back and try again in a moment.")
	default:
		content.Text = "The form was not accepted: " + p.Detail + "."
	}
	s.writePage(w, r, p.Status, in, content)
}

func (s *Server) writePage(w http.ResponseWriter, r *http.Request, status int, in spoken, content page) {
	content.Language = in.tag
	content.Back, content.BackText = backTo(r, in)
	header := w.Header()
	header.Add("Vary", "Accept-Language")
	header.Set("Content-Language", in.tag)
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", pagePolicy)
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = s.visitors.Execute(w, content) // fails if the visitor went away
}

// backTo returns the address of the page with the form and the text of a link to it. To another site, most browsers send only the origin;
// then the link promises no more. Both are empty if the browser sends nothing.
func backTo(r *http.Request, in spoken) (address, text string) {
	from, err := url.Parse(r.Referer())
	switch {
	case err != nil || (from.Scheme != "http" && from.Scheme != "https"):
		return "", ""
	case strings.Trim(from.Path, "/") == "" && from.RawQuery == "":
		return from.String(), from.Host
	}
	return from.String(), in.say("page.back", "Back to the form")
}
