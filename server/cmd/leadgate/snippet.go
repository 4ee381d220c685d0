package main

import (
	"cmp"
	"errors"
	"fmt"
	"html"
	"html/template"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/server/config"
	"github.com/leadgate/leadgate/worker/prepare"
)

func newSnippet() *cobra.Command {
	var path, form, gateway string
	cmd := &cobra.Command{
		Use:   "snippet",
		Short: "Print the markup that puts a form on a page",
		Long: `Print the markup that puts a configured form on a page: every field the form maps, under the page's own names, its consents,
honeypots and CAPTCHA, and the script that sends it. Change it as you like: only data-leadgate, the field names and the script's
URL matter. The form also works without JavaScript.`,
		Example: `  leadgate snippet --form contact
  leadgate snippet --form contact --gateway https://leads.example.com >> contact.html`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			snapshot, err := config.Load(path, withoutSecrets(path))
			if err != nil {
				return err
			}
			forms := snapshot.Config.GetForms()
			if form == "" && len(forms) == 1 {
				form = slices.Collect(maps.Keys(forms))[0]
			}
			cfg := forms[form]
			if cfg == nil {
				return usageError{fmt.Errorf("--form %q: the forms of %s are %s", form, path, strings.Join(slices.Sorted(maps.Keys(forms)), ", "))}
			}
			if gateway == "" {
				gateway = addressOf(snapshot.Config)
			}
			if len(cfg.GetAllowedOrigins()) == 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "leadgate: form %s takes submissions from every site; name yours under allowed_origins\n", form)
			}
			return writeSnippet(cmd.OutOrStdout(), strings.TrimSuffix(gateway, "/"), form, cfg, snapshot.Config.GetIdempotency().GetTtl().AsDuration())
		},
	}
	addConfigFlag(cmd, &path)
	cmd.Flags().StringVar(&form, "form", "", "the form; optional if there is only one")
	cmd.Flags().StringVar(&gateway, "gateway", "", "address at which browsers reach the gateway, such as https://leads.example.com")
	return cmd
}

// withoutSecrets returns an environment for people who have the configuration but not its secrets, such as those who build a page:
// a missing secret is replaced by a description of it.
func withoutSecrets(configuration string) config.Environment {
	return config.Environment{
		LookupEnv: func(name string) (string, bool) { return cmp.Or(os.Getenv(name), "the variable "+name), true },
		ReadFile: func(name string) ([]byte, error) {
			data, err := os.ReadFile(name)
			if name != configuration && errors.Is(err, fs.ErrNotExist) {
				return []byte("the file " + name), nil
			}
			return data, err
		},
	}
}

// addressOf returns the URL of the gateway for a browser on the same machine.
func addressOf(cfg *configv1.Config) string {
	scheme := "http://"
	if cfg.GetTls() != nil {
		scheme = "https://"
	}
	host := strings.TrimPrefix(strings.TrimPrefix(cfg.GetListen(), "0.0.0.0"), "[::]")
	if strings.HasPrefix(host, ":") {
		host = "localhost" + host
	}
	return scheme + host
}

// snippetField is a field in the markup.
type snippetField struct {
	Name, Label, Type, Autocomplete string
	Required, Long                  bool
	Options                         []string
}

// snippetConsent is a checkbox, and the hidden field with its wording if the form has one.
type snippetConsent struct{ Name, Value, Text, TextField string }

var snippet = template.Must(template.New("snippet").Funcs(template.FuncMap{"remark": remark}).Parse(`<form data-leadgate="{{.Form}}" action="{{.Gateway}}/v1/forms/{{.Form}}/submissions" method="post"{{with .KeyLife}} data-key-life="{{.}}"{{end}}>
{{- range .Fields}}
  <label>{{.Label}}
  {{- if .Long}}<textarea name="{{.Name}}"{{if .Required}} required{{end}}></textarea>
  {{- else if .Options}}<select name="{{.Name}}"{{if .Required}} required{{end}}>
    <option></option>
  {{- range .Options}}
    <option>{{.}}</option>
  {{- end}}
  </select>
  {{- else}}<input name="{{.Name}}"{{with .Type}} type="{{.}}"{{end}}{{with .Autocomplete}} autocomplete="{{.}}"{{end}}{{if .Required}} required{{end}}>
  {{- end}}</label>
{{- end}}
{{- range .Consents}}
  <label><input name="{{.Name}}" type="checkbox"{{with .Value}} value="{{.}}"{{end}}> {{.Text}}</label>
{{- if .TextField}}
  <input name="{{.TextField}}" type="hidden" value="{{.Text}}">
{{- end}}
{{- end}}
{{- range .Honeypots}}
  <div hidden><label>Leave this empty<input name="{{.}}" tabindex="-1" autocomplete="off"></label></div>
{{- end}}
{{- with .Timing}}
  {{remark "your page fills in when it showed the form, in milliseconds since 1970"}}
  <input name="{{.}}" type="hidden">
{{- end}}
{{- with .Captcha}}
  {{remark .}}
{{- end}}
  <button>Send</button>
</form>
<script src="{{.Gateway}}/leadgate.js" defer></script>
`))

// usualKeyLife is the browser client's default.
const usualKeyLife = 24 * time.Hour

func writeSnippet(w io.Writer, gateway, form string, cfg *configv1.Form, keyLife time.Duration) error {
	life := 0
	if keyLife != usualKeyLife {
		life = int(keyLife.Seconds())
	}
	captcha := ""
	if c := cfg.GetCaptcha(); c != nil {
		captcha = fmt.Sprintf("the widget of %s goes here; it sends its token as %s", c.GetProvider(), prepare.CaptchaField(c))
	}
	return snippet.Execute(w, map[string]any{
		"Form": form, "Gateway": gateway, "KeyLife": life, "Fields": snippetFields(cfg), "Consents": snippetConsents(cfg),
		"Honeypots": cfg.GetHoneypot(), "Timing": cfg.GetQuality().GetTimingField(), "Captcha": captcha,
	})
}

// remark returns a comment for the markup; html/template drops those in templates.
func remark(text string) template.HTML {
	return template.HTML("<!-- " + html.EscapeString(text) + " -->") //nolint:gosec // it is escaped
}

// usual returns the lead fields in the order that visitors expect, with what a browser may fill in by itself.
func usual() []snippetField {
	return []snippetField{
		{Name: "full_name", Autocomplete: "name"}, {Name: "first_name", Autocomplete: "given-name"}, {Name: "last_name", Autocomplete: "family-name"},
		{Name: "email", Type: "email", Autocomplete: "email"}, {Name: "phone", Type: "tel", Autocomplete: "tel"},
		{Name: "company", Autocomplete: "organization"}, {Name: "job_title", Autocomplete: "organization-title"}, {Name: "website", Autocomplete: "url"},
		{Name: "street", Autocomplete: "street-address"}, {Name: "postal_code", Autocomplete: "postal-code"}, {Name: "city", Autocomplete: "address-level2"},
		{Name: "region", Autocomplete: "address-level1"}, {Name: "country", Autocomplete: "country-name"}, {Name: "message", Long: true},
	}
}

// snippetFields returns the form's fields, one for each lead field: of several for the same lead field, the others are old names. A
// form that names none gets the usual ones.
func snippetFields(cfg *configv1.Form) []snippetField {
	known := usual()
	place := func(path string) int {
		at := slices.IndexFunc(known, func(f snippetField) bool { return f.Name == path })
		if at < 0 {
			return len(known)
		}
		return at
	}
	names := map[string]string{}   // by lead field
	if len(cfg.GetFields()) == 0 { // the form accepts all names in the dictionary
		for _, path := range append([]string{"email", "first_name", "last_name", "phone", "message"}, cfg.GetRequired()...) {
			names[path] = path
		}
	}
	for _, field := range slices.Sorted(maps.Keys(cfg.GetFields())) {
		if path := cfg.GetFields()[field]; names[path] == "" && !strings.HasPrefix(path, "source.") { // the script fills in the source
			names[path] = field
		}
	}
	paths := slices.SortedFunc(maps.Keys(names), func(a, b string) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), strings.Compare(a, b))
	})
	fields := make([]snippetField, len(paths))
	for i, path := range paths {
		if at := place(path); at < len(known) {
			fields[i] = known[at]
		}
		label := strings.ReplaceAll(strings.TrimPrefix(path, "custom."), "_", " ")
		fields[i].Name, fields[i].Label = names[path], strings.ToUpper(label[:1])+label[1:]
		fields[i].Required = slices.Contains(cfg.GetRequired(), path)
		switch value := cfg.GetValues()[path]; value.GetType() {
		case "date":
			fields[i].Type = "date"
		case "boolean":
			fields[i].Type = "checkbox"
		default:
			fields[i].Options = slices.Sorted(maps.Keys(value.GetEnum()))
		}
	}
	return fields
}

func snippetConsents(cfg *configv1.Form) []snippetConsent {
	var consents []snippetConsent
	for _, purpose := range slices.Sorted(maps.Keys(cfg.GetConsents())) {
		c := cfg.GetConsents()[purpose]
		consents = append(consents, snippetConsent{c.GetField(), c.GetValue(), cmp.Or(c.GetText(), purpose), c.GetTextField()})
	}
	return consents
}
