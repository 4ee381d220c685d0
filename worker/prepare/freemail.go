package prepare

// freeMail are the domains under which anybody gets an address: they say nothing about a company. Those that are missing cost a
// request in 24 h.
var freeMail = domains(
	"gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "yahoo.com", "ymail.com", "rocketmail.com",
	"icloud.com", "me.com", "mac.com", "aol.com", "proton.me", "protonmail.com", "pm.me", "tutanota.com", "tuta.io", "zoho.com",
	"zohomail.com", "fastmail.com", "fastmail.fm", "hey.com", "duck.com", "mail.com", "email.com", "gmx.com", "gmx.net", "gmx.de",
	"gmx.at", "gmx.ch", "web.de", "t-online.de", "freenet.de", "arcor.de", "posteo.de", "mailbox.org", "bluewin.ch", "orange.fr",
	"wanadoo.fr", "free.fr", "sfr.fr", "laposte.net", "libero.it", "virgilio.it", "alice.it", "tiscali.it", "telefonica.net",
	"terra.es", "sapo.pt", "ziggo.nl", "kpnmail.nl", "hetnet.nl", "telenet.be", "skynet.be", "yahoo.co.uk", "yahoo.fr", "yahoo.de",
	"yahoo.it", "yahoo.es", "yahoo.com.br", "yahoo.co.in", "yahoo.co.jp", "hotmail.co.uk", "hotmail.fr", "hotmail.de", "hotmail.it",
	"hotmail.es", "live.co.uk", "live.fr", "live.nl", "outlook.fr", "outlook.de", "outlook.es", "btinternet.com", "sky.com",
	"virginmedia.com", "talktalk.net", "comcast.net", "verizon.net", "att.net", "sbcglobal.net", "bellsouth.net", "cox.net",
	"charter.net", "earthlink.net", "shaw.ca", "rogers.com", "sympatico.ca", "bigpond.com", "optusnet.com.au", "xtra.co.nz",
	"uol.com.br", "bol.com.br", "terra.com.br", "ig.com.br", "mail.ru", "inbox.ru", "list.ru", "bk.ru", "yandex.ru", "yandex.com",
	"ya.ru", "rambler.ru", "ukr.net", "wp.pl", "o2.pl", "onet.pl", "interia.pl", "seznam.cz", "centrum.cz", "qq.com", "163.com", "126.com",
	"sina.com", "foxmail.com", "naver.com", "daum.net", "hanmail.net", "rediffmail.com",
)

func domains(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}
