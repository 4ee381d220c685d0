package intake

import (
	"strings"
	"unicode"
)

// isSecret tells by its name that a field holds what no CRM should have and leadgate never keeps: a password, or the number
// or code of a payment card. It errs on the side of not keeping; a page gives a membership card's field another name.
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
		"creditcard", "debitcard", "cardnumber", "ccnumber", "ccexp", "kreditkarte", "cartebancaire", "securitycode",
	} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// words splits the name of a field as programmers write it: card_number, card-number, cardNumber, payment[card].
func words(name string) []string {
	var out []string
	start, lower := 0, false
	end := func(i int) {
		if i > start {
			out = append(out, strings.ToLower(name[start:i]))
		}
	}
	for i, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end(i)
			start = i + len(string(r))
		case unicode.IsUpper(r) && lower:
			end(i)
			start = i
		}
		lower = unicode.IsLower(r)
	}
	end(len(name))
	return out
}
