package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// skipped is where a column leads that is not imported.
const skipped = "-"

// headings are what people call a lead's fields at the top of a column, as tidy makes them.
func headings() map[string]string {
	known := map[string]string{}
	for field, names := range map[string]string{
		"email":       "email e_mail mail email_address e_mail_address e_mail_adresse email_adresse adresse_e_mail correo correo_electronico indirizzo_email e_mailadres",
		"first_name":  "first_name firstname first given_name vorname prenom nombre nome voornaam",
		"last_name":   "last_name lastname last surname family_name nachname familienname nom apellido apellidos cognome achternaam sobrenome",
		"phone":       "phone phone_number telephone telephone_number tel mobile mobile_phone mobile_number cell telefon telefonnummer mobil handy telefono telefone telefoon telefoonnummer",
		"company":     "company company_name organization organisation account account_name firma unternehmen entreprise societe empresa azienda bedrijf",
		"website":     "website web_site web url homepage webseite site_web sitio_web",
		"job_title":   "job_title title position role function jobtitle funktion poste cargo functie",
		"street":      "street street_address address address_1 address_line_1 strasse rue calle via straat rua",
		"city":        "city town ort stadt ville ciudad citta cidade plaats",
		"region":      "region state province state_province state_region bundesland provincia",
		"postal_code": "postal_code postcode zip zip_code zipcode plz postleitzahl code_postal codigo_postal cap",
		"country":     "country country_region country_code land pays pais paese",
		"message":     "message comment comments note notes nachricht bemerkung kommentar mensaje messaggio mensagem bericht",

		"source.page_url": "page_url page landing_page", "source.referrer": "referrer referer",
		"source.utm_source": "utm_source", "source.utm_medium": "utm_medium", "source.utm_campaign": "utm_campaign",
		"source.utm_term": "utm_term", "source.utm_content": "utm_content",
		skipped: reasonColumn,
	} {
		for name := range strings.FieldsSeq(names) {
			known[name] = field
		}
	}
	return known
}

// tidy makes a heading comparable, and fit for the name of a field of the business's own: lower case letters without accents,
// digits, underscores.
func tidy(heading string) string {
	var b strings.Builder
	gap := false
	for _, r := range norm.NFKD.String(strings.ReplaceAll(strings.ToLower(heading), "ß", "ss")) {
		switch {
		case unicode.Is(unicode.Mn, r): // an accent
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			gap = false
			b.WriteRune(r)
		default:
			gap = true
		}
	}
	return b.String()
}

// columns say for each column of a file where in a lead it leads, as in a form's fields; skipped for nowhere.
func columns(header []string, mapped, skip []string) ([]string, error) {
	given := map[string]string{} // by heading
	for _, pair := range mapped {
		heading, field, ok := strings.Cut(pair, "=")
		if !ok || heading == "" || field == "" {
			return nil, usageError{fmt.Errorf("--map %q is not COLUMN=FIELD", pair)}
		}
		given[heading] = field
	}
	for _, heading := range skip {
		given[heading] = skipped
	}
	for heading := range given {
		if !slices.Contains(header, heading) {
			return nil, usageError{fmt.Errorf("there is no column %q; the columns are %s", heading, strings.Join(header, ", "))}
		}
	}
	known := headings()
	fields := make([]string, len(header))
	for i, heading := range header {
		name := tidy(heading)
		switch {
		case heading == "":
			fields[i] = skipped
		case slices.Contains(header[:i], heading):
			return nil, usageError{fmt.Errorf("two columns are called %q; give one another name", heading)}
		default:
			fields[i] = cmp.Or(given[heading], known[name], customField(name))
		}
	}
	return fields, nil
}

// customField is where a column leads that no lead has a field for.
func customField(name string) string {
	if name == "" {
		return skipped
	}
	if name[0] >= '0' && name[0] <= '9' {
		name = "n" + name
	}
	return "custom." + name[:min(len(name), 63)]
}

// formFields are the columns as a form's fields.
func formFields(header, fields []string) map[string]string {
	mapped := map[string]string{}
	for i, field := range fields {
		if field != skipped {
			mapped[header[i]] = field
		}
	}
	return mapped
}
