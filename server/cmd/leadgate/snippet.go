package main

import (
	"cmp"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	configv1 "github.com/leadgate/leadgate/gen/go/leadgate/config/v1"
	"github.com/leadgate/leadgate/server/config"
)

func newSnippet() *cobra.Command {
	var path, form, gateway string
	cmd := &cobra.Command{
		Use:   "snippet",
		Short: "Print the markup that puts a form on a page",
		Long: `Print the markup that puts a configured form on a page: every field that the form maps, under the page's own names, and the
script that sends it. Change it as you like: only data-leadgate, the names of the fields and the script's address matter.
Without script the form works too.`,
		Example: `  leadgate snippet --form contact
  leadgate snippet --form contact --gateway https://leads.example.com >> contact.html`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			snapshot, err := config.Load(path, environment())
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
	cmd.Flags().StringVar(&form, "form", "", "which form; may be left out if there is one")
	cmd.Flags().StringVar(&gateway, "gateway", "", "address under which browsers reach the gateway, such as https://leads.example.com")
	return cmd
}

// addressOf is the address that the gateway listens on, as a browser on the same machine would write it.
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
}

var snippet = template.Must(template.New("snippet").Parse(`<form data-leadgate="{{.Form}}" action="{{.Gateway}}/v1/forms/{{.Form}}/submissions" method="post"{{with .KeyLife}} data-key-life="{{.}}"{{end}}>
{{- range .Fields}}
  <label>{{.Label}}
  {{- if .Long}}<textarea name="{{.Name}}"{{if .Required}} required{{end}}></textarea>
  {{- else}}<input name="{{.Name}}"{{with .Type}} type="{{.}}"{{end}}{{with .Autocomplete}} autocomplete="{{.}}"{{end}}{{if .Required}} required{{end}}>
  {{- end}}</label>
{{- end}}
  <button>Send</button>
</form>
<script src="{{.Gateway}}/leadgate.js" defer></script>
`))

// usualKeyLife is what the browser client assumes.
const usualKeyLife = 24 * time.Hour

func writeSnippet(w io.Writer, gateway, form string, cfg *configv1.Form, keyLife time.Duration) error {
	life := 0
	if keyLife != usualKeyLife {
		life = int(keyLife.Seconds())
	}
	return snippet.Execute(w, map[string]any{"Form": form, "Gateway": gateway, "KeyLife": life, "Fields": snippetFields(cfg)})
}

// usual says in which order a visitor expects the fields of a lead, and what a browser may fill in by itself.
func usual() []snippetField {
	return []snippetField{
		{Name: "first_name", Autocomplete: "given-name"}, {Name: "last_name", Autocomplete: "family-name"},
		{Name: "email", Type: "email", Autocomplete: "email"}, {Name: "phone", Type: "tel", Autocomplete: "tel"},
		{Name: "company", Autocomplete: "organization"}, {Name: "job_title", Autocomplete: "organization-title"}, {Name: "website", Autocomplete: "url"},
		{Name: "street", Autocomplete: "street-address"}, {Name: "postal_code", Autocomplete: "postal-code"}, {Name: "city", Autocomplete: "address-level2"},
		{Name: "region", Autocomplete: "address-level1"}, {Name: "country", Autocomplete: "country-name"}, {Name: "message", Long: true},
	}
}

// snippetFields are the form's fields, one for each lead field: where several lead to one, the others are old names.
func snippetFields(cfg *configv1.Form) []snippetField {
	known := usual()
	place := func(path string) int {
		at := slices.IndexFunc(known, func(f snippetField) bool { return f.Name == path })
		if at < 0 {
			return len(known)
		}
		return at
	}
	names := map[string]string{} // by lead field
	for _, field := range slices.Sorted(maps.Keys(cfg.GetFields())) {
		if path := cfg.GetFields()[field]; names[path] == "" && !strings.HasPrefix(path, "source.") { // the script fills those in
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
	}
	return fields
}
