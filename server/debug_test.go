package server_test

import "testing"

func TestProfilesAreForOperatorsAndOffUnlessConfigured(t *testing.T) {
	t.Parallel()
	const keys = "\napi_keys:\n  - { name: shop, key: \"${env:SHOP}\", roles: [submit, read] }\n  - { name: ops, key: \"${env:OPS}\", roles: [operate] }\n"
	env := map[string]string{"SHOP": "shop-key", "OPS": "ops-key"}
	for _, test := range []struct {
		config, key string
		want        int
	}{
		{contactForm + keys, "ops-key", 404},
		{contactForm + keys + "debug: { pprof: true }\n", "ops-key", 200},
		{contactForm + keys + "debug: { pprof: true }\n", "shop-key", 403},
		{contactForm + keys + "debug: { pprof: true }\n", "", 401},
	} {
		h := open(t, options{config: test.config, env: env})
		headers := []string{}
		if test.key != "" {
			headers = append(headers, "Authorization", "Bearer "+test.key)
		}
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline"} {
			h.send("GET", path, "", "", headers...).expect(t, test.want)
		}
	}
}

func TestAPausedCRMIsNotUnreadiness(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.send("POST", "/v1/destinations/crm:pause", asJSON, "{}").expect(t, 200)
	h.send("GET", "/readyz", "", "").expect(t, 200)
}
