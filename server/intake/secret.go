package intake

import "strings"

// isSecret reports whether, by its name, a field holds what no CRM should have and leadgate never stores: a password, the number or
// code of a payment card, or the key that authenticates a Google lead form. It errs on the side of not storing; a page with, say, a
// membership card must give that field another name.
func isSecret(field string) bool {
	for _, word := range words(field) {
		switch word {
		case "card", "cvv", "cvv2", "cvc", "cvc2", "csc", "pwd", "passcode":
			return true
		}
	}
	name := fold(field)
	for _, part := range []string{
		"password", "passwd", "passphrase", "passwort", "kennwort", "motdepasse", "contrasena", "wachtwoord",
		"googlekey", "creditcard", "debitcard", "cardnumber", "ccnumber", "ccexp", "kreditkarte", "cartebancaire", "securitycode",
	} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
