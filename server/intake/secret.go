package intake

import "strings"

// isSecret tells by its name that a field holds what no CRM should have and leadgate never keeps: a password, the number or code of
// a payment card, or the key by which a lead form of Google says that it is one. It errs on the side of not keeping; a page gives a membership card's field another name.
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
