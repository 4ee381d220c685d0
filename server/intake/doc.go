// Package intake turns what a page's form sends into a lead: it decodes, maps, cleans, normalises and judges.
//
//	fields, err := intake.Decode(contentType, body)  // ErrMediaType, ErrMalformed; DecodeMultipart for forms with files
//	form, err := intake.NewForm("contact", cfg)      // once per configuration
//	result := form.Lead(submission)                  // the lead, what was changed, what is wrong, what drifted
//	verdicts := result.Judge(counts)                 // what the checks without I/O find, each with its policy
//	field := result.FieldOf(`custom["budget"]`)      // the page's own name for a field of the lead
//
// README.md walks through the files. client.go has the fields that leadgate's own browser client adds to the visitor's.
//
// Nothing here does I/O, keeps state or looks at a clock. What a lead must look like stands in lead.proto, and whoever calls
// checks it; a form's violations are only those that cannot be seen in the lead any more. What becomes of a value:
//
//	any text      one line, no control characters, no HTML, single spaces, NFC  text.go, html.go
//	message       keeps its lines, its spaces and its HTML                      text.go
//	email         unwrapped, lower case, the domain in ASCII                    email.go
//	phone         E.164, read by the lead's country, then by default_region     phone.go
//	country       ISO 3166-1 alpha-2, from its name in any language             country.go
//	region        as the country abbreviates it, where it does                  place.go
//	postal_code   as the country writes it                                      place.go
//	names         capitals mended; a full name split                            name.go
//	website       a complete address                                            website.go
//	source.*      cut to the length that lead.proto allows                      target.go
//	custom.NAME   of the configured type; a list where several values came      value.go
//
// A value that cannot be read refuses the submission if the form requires it, a phone number also if there is no e-mail
// address. Otherwise the lead does without it, [Result] says so, and the submission keeps it.
package intake
