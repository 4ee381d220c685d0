package config_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/leadgate/leadgate/server/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// environment returns an environment with these variables and files.
func environment(variables, files map[string]string) config.Environment {
	return config.Environment{
		LookupEnv: func(name string) (string, bool) {
			value, ok := variables[name]
			return value, ok
		},
		ReadFile: func(path string) ([]byte, error) {
			content, ok := files[path]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			return []byte(content), nil
		},
	}
}

// minimal is a file without anything optional.
const minimal = `
forms:
  contact:
    fields: { email: email }
destinations:
  crm:
    hubspot: { token: "${env:TOKEN}" }
`

func parse(t testing.TB, text string) config.Snapshot {
	t.Helper()
	snapshot, err := config.Parse("leadgate.yaml", []byte(text), environment(map[string]string{"TOKEN": "t0ken"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

func TestTheHousesOwnFilesAreGood(t *testing.T) {
	t.Parallel()
	demo, err := os.ReadFile("../demo/demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	env := environment(map[string]string{"HUBSPOT_TOKEN": "a", "SF_SECRET": "e", "PIPEDRIVE_TOKEN": "i", "ZOHO_SECRET": "f", "ZOHO_REFRESH": "g", "DYNAMICS_SECRET": "h", "ERP_TOKEN": "b", "SHOP_KEY": "c", "OPS_KEY": "d"}, nil)
	for name, text := range map[string]string{"example": config.Example, "demo": string(demo)} {
		if _, err := config.Parse(name, []byte(text), env); err != nil {
			t.Error(err)
		}
	}
}

func TestTheRecipesOfTheGuidesAreGood(t *testing.T) {
	t.Parallel()
	env := environment(nil, nil)
	env.LookupEnv = func(name string) (string, bool) { return "of " + name, true }
	env.ReadFile = func(path string) ([]byte, error) { return []byte("of " + path), nil }
	top := map[string]bool{}
	walkSchema(func(path, key string) { top[key] = top[key] || path == "."+key })
	seen := 0
	for _, guide := range []string{"../../README.md", "README.md", "../observe/README.md", "../../worker/store/README.md"} {
		page, err := os.ReadFile(guide)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile("(?ms)^```yaml\n(([a-z_]+):.*?)^```").FindAllStringSubmatch(string(page), -1) {
			text := strings.ReplaceAll(found[1], "/var/lib/GeoIP/GeoLite2-City.mmdb", "README.md") // which exists
			if !top[found[2]] {
				continue // for another program
			}
			for _, beside := range []string{"destinations: { crm: { hubspot: { token: \"${env:TOKEN}\" } } }\n", "forms: { contact: {} }\n"} {
				if key, _, _ := strings.Cut(beside, ":"); !regexp.MustCompile("(?m)^" + key + ":").MatchString(text) {
					text += beside
				}
			}
			seen++
			if _, err := config.Parse(guide, []byte(text), env); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
		}
	}
	if seen < 9 {
		t.Errorf("only %d recipes were found", seen)
	}
}

func TestTheExampleShowsEveryKeyOfTheSchema(t *testing.T) {
	t.Parallel()
	missing := map[string]bool{}
	walkSchema(func(_, key string) { missing[key] = !strings.Contains(config.Example, key+":") })
	for _, key := range slices.Sorted(maps.Keys(missing)) {
		if missing[key] {
			t.Errorf("the example lacks %s:", key)
		}
	}
}

func TestTheExampleShowsTheDefaults(t *testing.T) {
	t.Parallel()
	env := environment(map[string]string{"HUBSPOT_TOKEN": "a", "SF_SECRET": "e", "PIPEDRIVE_TOKEN": "i", "ZOHO_SECRET": "f", "ZOHO_REFRESH": "g", "DYNAMICS_SECRET": "h", "ERP_TOKEN": "b", "SHOP_KEY": "c", "OPS_KEY": "d"}, nil)
	example, err := config.Parse("example", []byte(config.Example), env)
	if err != nil {
		t.Fatal(err)
	}
	shown, set := example.Config, parse(t, minimal).Config
	for name, pair := range map[string][2]any{
		"listen":           {shown.GetListen(), set.GetListen()},
		"data_dir":         {shown.GetDataDir(), set.GetDataDir()},
		"cleartext_http2":  {shown.GetCleartextHttp2(), set.GetCleartextHttp2()},
		"idempotency.ttl":  {shown.GetIdempotency().GetTtl().AsDuration(), set.GetIdempotency().GetTtl().AsDuration()},
		"max_body_bytes":   {shown.GetIntake().GetMaxBodyBytes(), set.GetIntake().GetMaxBodyBytes()},
		"log.level":        {shown.GetLog().GetLevel(), set.GetLog().GetLevel()},
		"on_key_reuse":     {shown.GetForms()["contact"].GetOnKeyReuse(), set.GetForms()["contact"].GetOnKeyReuse()},
		"limits.timeout":   {shown.GetDestinations()["crm"].GetLimits().GetTimeout().AsDuration(), set.GetDestinations()["crm"].GetLimits().GetTimeout().AsDuration()},
		"concurrency":      {shown.GetDestinations()["crm"].GetLimits().GetConcurrency(), set.GetDestinations()["crm"].GetLimits().GetConcurrency()},
		"retry.give_up":    {shown.GetDestinations()["crm"].GetRetry().GetGiveUpAfter().AsDuration(), set.GetDestinations()["crm"].GetRetry().GetGiveUpAfter().AsDuration()},
		"retry.initial":    {shown.GetDestinations()["crm"].GetRetry().GetInitialDelay().AsDuration(), set.GetDestinations()["crm"].GetRetry().GetInitialDelay().AsDuration()},
		"retry.max_delay":  {shown.GetDestinations()["crm"].GetRetry().GetMaxDelay().AsDuration(), set.GetDestinations()["crm"].GetRetry().GetMaxDelay().AsDuration()},
		"where forms lead": {"crm", strings.Join(set.GetForms()["contact"].GetDestinations(), " ")},
		"where leads lead": {"crm", strings.Join(set.GetLeads().GetDestinations(), " ")},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: the example shows %v, the default is %v", name, pair[0], pair[1])
		}
	}
}

func TestDurationsTakeDays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "24h": 24 * time.Hour, "30d": 30 * 24 * time.Hour, "1d12h": 36 * time.Hour, "1h30m": 90 * time.Minute,
	} {
		snapshot := parse(t, minimal+"idempotency: { ttl: "+text+" }\n")
		if got := snapshot.Config.GetIdempotency().GetTtl().AsDuration(); got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
}

func TestALongFirstDelayRaisesTheLargest(t *testing.T) {
	t.Parallel()
	snapshot := parse(t, minimal+"    retry: { initial_delay: 2h }\n")
	if got := snapshot.Config.GetDestinations()["crm"].GetRetry().GetMaxDelay().AsDuration(); got != 2*time.Hour {
		t.Errorf("max_delay is %v, want that of initial_delay, 2h", got)
	}
}

func TestTheRevisionIsThatOfTheText(t *testing.T) {
	t.Parallel()
	first, again, other := parse(t, minimal), parse(t, minimal), parse(t, minimal+"# changed\n")
	if first.Revision != again.Revision || first.Revision == other.Revision || len(first.Revision) != 12 {
		t.Errorf("revisions %q, %q and, of another text, %q", first.Revision, again.Revision, other.Revision)
	}
	rotated, err := config.Parse("leadgate.yaml", []byte(minimal), environment(map[string]string{"TOKEN": "rotated"}, nil))
	if err != nil || rotated.Revision != first.Revision {
		t.Errorf("a rotated secret gives revision %q, %v; want %q", rotated.Revision, err, first.Revision)
	}
}

func TestAMissingFileSaysHowToMakeOne(t *testing.T) {
	t.Parallel()
	_, err := config.Load("here.yaml", environment(nil, nil))
	if err == nil || !strings.Contains(err.Error(), "leadgate check --example > here.yaml") {
		t.Errorf("error %v", err)
	}
	denied := config.Environment{ReadFile: func(string) ([]byte, error) { return nil, fs.ErrPermission }}
	if _, err := config.Load("here.yaml", denied); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v, want that of the file", err)
	}
}

func TestLoadReadsTheFile(t *testing.T) {
	t.Parallel()
	snapshot, err := config.Load("leadgate.yaml", environment(map[string]string{"TOKEN": "t0ken"}, map[string]string{"leadgate.yaml": minimal}))
	if err != nil || len(snapshot.Config.GetForms()) != 1 {
		t.Errorf("got %v, %v", snapshot, err)
	}
}

func TestEveryKindOfLineBreakCountsAsOne(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"CR LF": "listen: :1\r\n\r\nlisen: x\r\n", "CR": "listen: :1\r\rlisen: x\r", "LS": "listen: :1\u2028\u2028lisen: x",
	} {
		_, err := config.Parse("f", []byte(text), environment(nil, nil))
		if err == nil || !strings.Contains(err.Error(), "f:3:1: unknown key \"lisen\"") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
