package prepare

import "strings"

// freeMail are domains where anybody can get an address, so that they say nothing about a company. A missing one only costs a
// request a day.
var freeMail = domains(
	"gmail.com", "googlemail.com", "msn.com", "rocketmail.com",
	"icloud.com", "me.com", "mac.com", "aol.com", "proton.me", "protonmail.com", "pm.me", "tutanota.com", "tuta.io", "zoho.com",
	"zohomail.com", "fastmail.com", "fastmail.fm", "hey.com", "duck.com", "mail.com", "email.com", "gmx.net", "web.de", "t-online.de", "freenet.de", "arcor.de", "posteo.de", "mailbox.org", "bluewin.ch", "orange.fr",
	"wanadoo.fr", "free.fr", "sfr.fr", "laposte.net", "libero.it", "virgilio.it", "alice.it", "tiscali.it", "telefonica.net",
	"terra.es", "sapo.pt", "ziggo.nl", "kpnmail.nl", "hetnet.nl", "telenet.be", "skynet.be", "btinternet.com", "sky.com",
	"virginmedia.com", "talktalk.net", "comcast.net", "verizon.net", "att.net", "sbcglobal.net", "bellsouth.net", "cox.net",
	"charter.net", "earthlink.net", "shaw.ca", "rogers.com", "sympatico.ca", "bigpond.com", "optusnet.com.au", "xtra.co.nz",
	"uol.com.br", "bol.com.br", "terra.com.br", "ig.com.br", "mail.ru", "inbox.ru", "list.ru", "bk.ru",
	"ya.ru", "rambler.ru", "ukr.net", "i.ua", "meta.ua", "wp.pl", "o2.pl", "onet.pl", "interia.pl", "seznam.cz", "centrum.cz", "email.cz", "post.cz", "azet.sk", "zoznam.sk", "freemail.hu", "citromail.hu", "abv.bg", "telia.com", "online.no", "qq.com", "163.com", "126.com",
	"sina.com", "foxmail.com", "naver.com", "daum.net", "hanmail.net", "rediffmail.com", "sina.cn", "yeah.net", "139.com",
	"aliyun.com", "hinet.net", "docomo.ne.jp", "softbank.ne.jp", "ezweb.ne.jp", "nifty.com", "nate.com", "walla.co.il", "videotron.ca", "telus.net",
	"eircom.net", "planet.nl", "home.nl", "xs4all.nl", "blueyonder.co.uk", "ntlworld.com", "o2.co.uk",
)

// isFreeMail reports whether anybody can get an address at a domain. Large providers have domains in many countries: yahoo.ca,
// hotmail.com.br.
func isFreeMail(domain string) bool {
	name, country, _ := strings.Cut(domain, ".")
	country = strings.TrimPrefix(strings.TrimPrefix(country, "com."), "co.")
	switch name {
	case "yahoo", "ymail", "hotmail", "outlook", "live", "gmx", "yandex":
		if len(country) == 2 || country == "com" {
			return true
		}
	}
	return freeMail[domain]
}

func domains(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}
