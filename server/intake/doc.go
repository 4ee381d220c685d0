// Package intake turns a form submission into a lead: it decodes, maps, cleans, normalizes and judges it.
//
//	fields, err := intake.Decode(contentType, body)  // ErrMediaType, ErrMalformed; DecodeMultipart for forms with files
//	form, err := intake.NewForm("contact", cfg)      // once per configuration
//	result := form.Lead(submission)                  // the lead, its changes, violations and drift
//	verdicts := result.Judge(counts)                 // the results of the quality checks, each with its policy
//	field := result.FieldOf(`custom["budget"]`)      // the page's name for a field of the lead
//
// README.md gives an overview of the files. client.go has the fields that leadgate's own browser client adds.
//
// The package does no I/O, keeps no state and reads no clock. The rules for a lead are in lead.proto, and the caller checks them;
// violations of a form are only those that can no longer be seen in the lead. Values are cleaned as follows:
//
//	any text      one line, no control characters, no HTML, single spaces, NFC  text.go, html.go
//	message       keeps its lines, its spaces and its HTML                      text.go
//	email         unwrapped, lower case, the domain in ASCII                    email.go
//	phone         E.164, read for the lead's country, then for default_region   phone.go
//	country       ISO 3166-1 alpha-2, from its name in any language             country.go
//	region        in the country's abbreviation, where there is one             place.go
//	postal_code   in the country's format                                       place.go
//	names         out of all capitals; a full name is split                     name.go
//	website       a complete address                                            website.go
//	source.*      cut to the length that lead.proto allows                      target.go
//	custom.NAME   converted to the configured type; a list if several           value.go
//
// If a required field cannot be read, the submission is refused; the same goes for a phone number if there is no e-mail address.
// Otherwise the lead goes without the value, [Result] says so, and the stored submission keeps it.
package intake
