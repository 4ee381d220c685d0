package main_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestErasingAPersonLeavesNothingButWhatTheCRMHas(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	events := h.gateway.watch()
	delivered := h.post("k1", ada).body["leadId"].(string)
	await(t, events, delivered, "SUCCESS")
	h.faults(`{"status":503}`)
	waiting := h.post("k2", ada).body["leadId"].(string)
	await(t, events, waiting, "RETRY")
	other := h.post("k3", url.Values{"email": {"grace@example.com"}}).body["leadId"].(string)

	erase := func(args ...string) (string, int) {
		out, complaint, code := run(t, nil, "", append([]string{"erase", "--server", h.gateway.address, "--email", " Ada.Lovelace@example.com"}, args...)...)
		return out + complaint, code
	}
	if out, code := erase("--expect", "3"); code != 1 || !strings.Contains(out, "2 leads match, but 3 were expected") {
		t.Errorf("with another count expected: %d, %s", code, out)
	}
	if out, code := erase("--dry-run"); code != 0 || !strings.Contains(out, "2 leads would be erased: 1 delivery cancelled") {
		t.Errorf("dry run: %d, %s", code, out)
	}
	out, code := erase("--output", "json")
	var answer struct {
		Erased, DeliveriesCancelled string
		CrmRecords                  []struct{ RecordID, DeliveryID string }
	}
	if err := json.Unmarshal([]byte(out), &answer); code != 0 || err != nil {
		t.Fatalf("%d, %v, %s", code, err, out)
	}
	record := h.onlyContact()
	named := map[string]string{}
	for _, r := range answer.CrmRecords {
		named[r.DeliveryID] = r.RecordID
	}
	// The CRM has no record of the waiting lead, but its answers do not show that.
	if id, ok := named[waiting+".crm"]; answer.Erased != "2" || answer.DeliveriesCancelled != "1" || named[delivered+".crm"] != record.ID || !ok || id != "" {
		t.Errorf("the answer is %s, and the CRM has record %s", out, record.ID)
	}
	await(t, h.gateway.watch(), waiting, "ERASED")
	if out, code := erase(); code != 0 || !strings.Contains(out, "2 leads erased before") || !strings.Contains(out, record.ID) {
		t.Errorf("again: %d, %s", code, out)
	}
	for _, id := range []string{delivered, waiting} {
		if lead := request(t, "GET", h.url("/v1/leads/"+id), "", ""); lead.status != 200 || strings.Contains(strings.ToLower(lead.text), "lovelace") ||
			!strings.Contains(lead.text, "LEAD_STATE_ERASED") {
			t.Errorf("lead %s is %d %s", id, lead.status, lead.text)
		}
	}
	if watched := request(t, "POST", h.url("/v1/leads:search"), "application/json", `{"email":"ada.lovelace@example.com"}`); strings.Contains(watched.text, "leadId") {
		t.Errorf("still found: %s", watched.text)
	}
	if again := h.post("k2", ada); again.status != 200 || again.body["leadId"] != waiting {
		t.Errorf("its key answers %d %s", again.status, again.text)
	}
	h.faults(`{}`)
	await(t, h.gateway.watch(), other, "SUCCESS")

	if err := h.gateway.stop(); err != nil {
		t.Fatal(err)
	}
	if out, complaint, code := run(t, nil, "", "compact", "--data-dir", h.data); code != 0 || !strings.Contains(out, "became") {
		t.Fatalf("compact ends with %d: %s%s", code, out, complaint)
	}
	for _, word := range []string{"lovelace", "Lovelace"} {
		if files := filesWith(t, h.data, word); len(files) > 0 {
			t.Errorf("%s stands in %v", word, files)
		}
	}
	h.restart()
	if again := h.post("k1", ada); again.status != 200 || again.body["leadId"] != delivered {
		t.Errorf("after all that its key answers %d %s", again.status, again.text)
	}
}

// filesWith returns the files below a directory that contain a word.
func filesWith(t *testing.T, dir, word string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(word)) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestABackupOfARunningGatewayIsRestoredWithWhatWasUnfinishedHeld(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	command := func(want string, args ...string) {
		t.Helper()
		out, complaint, code := run(t, []string{"LEADGATE_SERVER=" + h.gateway.address}, "", args...)
		if code != 0 || !strings.Contains(out, want) {
			t.Fatalf("leadgate %s ends with %d: %s%s", strings.Join(args, " "), code, out, complaint)
		}
	}
	events := h.gateway.watch()
	first := h.post("k1", ada).body["leadId"].(string)
	await(t, events, first, "SUCCESS")
	h.faults(`{"status":503}`)
	grace := url.Values{"email": {"grace@example.com"}}
	second := h.post("k2", grace).body["leadId"].(string)
	await(t, events, second, "RETRY")
	command("whole.backup: ", "backup", file("whole.backup"))
	third := h.post("k3", url.Values{"email": {"eve@example.com"}}).body["leadId"].(string)
	command("added.backup: ", "backup", "--add-to", file("whole.backup"), file("added.backup"))
	command("1 lead erased", "erase", "--email", "eve@example.com")
	command(`"leadId":"`+first, "export", "--email", "ada.lovelace@example.com", "--since", "2020-01-01")
	if info, err := os.Stat(file("whole.backup")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read the backup: %v, %v", info, err)
	}
	if rest := request(t, "GET", h.url("/v1/leads:export?form=contact"), "", ""); rest.status != 200 || strings.Count(rest.text, `{"result":`) != 3 {
		t.Errorf("over REST: %d %s", rest.status, rest.text)
	}
	h.gateway.kill()
	old := h.data
	h.data = file("restored")
	command("3 leads with 3 deliveries; 2 unfinished ones are held, 1 lead erased", "restore", "--data-dir", h.data,
		"--erasures", filepath.Join(old, "erasures.ndjson"), file("whole.backup"), file("added.backup"))
	h.faults(`{}`)
	h.restart()
	if again := h.post("k1", ada); again.status != 200 || again.body["leadId"] != first {
		t.Errorf("its key answers %d %s", again.status, again.text)
	}
	if lead := request(t, "GET", h.url("/v1/leads/"+third), "", ""); !strings.Contains(lead.text, "LEAD_STATE_ERASED") || strings.Contains(lead.text, "eve@") {
		t.Errorf("who was erased after the backup is %s", lead.text)
	}
	held := request(t, "GET", h.url("/v1/deliveries?state=HELD"), "", "")
	if !strings.Contains(held.text, second+".crm") || !strings.Contains(held.text, "RESTORED") {
		t.Errorf("held are %s", held.text)
	}
	h.onlyContact() // nothing was sent by itself
	command("due now", "deliveries", "retry", "--all", "--state", "held", "--expect", "1")
	await(t, h.gateway.watch(), second, "SUCCESS")
	if n := len(h.contacts()); n != 2 {
		t.Errorf("the CRM has %d contacts, want 2", n)
	}
}

// A backup does not overwrite last week's, nor the one that an addition builds on.
func TestABackupTakesNoNameThatIsTaken(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.post("k1", ada)
	dir := t.TempDir()
	file := filepath.Join(dir, "monday.backup")
	backup := func(args ...string) (string, int) {
		_, complaint, code := run(t, []string{"LEADGATE_SERVER=" + h.gateway.address}, "", append([]string{"backup"}, args...)...)
		return complaint, code
	}
	content := func() string {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if complaint, code := backup(file); code != 0 {
		t.Fatal(complaint)
	}
	first := content()
	if complaint, code := backup(file); code != 1 || !strings.Contains(complaint, "--force") || content() != first {
		t.Errorf("a second one under its name: %d, %s", code, complaint)
	}
	if complaint, code := backup("--force", "--add-to", file, file); code != 1 || !strings.Contains(complaint, "is needed to restore") || content() != first {
		t.Errorf("one that adds to it under its name: %d, %s", code, complaint)
	}
	if complaint, code := backup("--force", dir); code != 1 || !strings.Contains(complaint, "is no file") {
		t.Errorf("under the name of a directory: %d, %s", code, complaint)
	}
	if complaint, code := backup("--force", "--server", "127.0.0.1:1", file); code != 1 || content() != first {
		t.Errorf("one that fails: %d, %s", code, complaint)
	}
	if complaint, code := backup("--force", file); code != 0 || content() == first {
		t.Errorf("with --force: %d, %s", code, complaint)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("there are %v, %v", left, err)
	}
}

func TestAnEncryptedGatewayNeedsItsKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.gateway.kill()
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain, err := os.ReadFile(h.config)
	if err != nil {
		t.Fatal(err)
	}
	first, second := write("first", strings.Repeat("a", 40)), write("second", strings.Repeat("b", 40))
	h.data = filepath.Join(dir, "data")
	configure := func(store string) { h.config = write("leadgate.yaml", string(plain)+store) }
	configure("store: { encryption_key: \"${file:" + first + "}\" }\n")
	h.restart()
	leadID := h.post("k1", ada).body["leadId"].(string)
	await(t, h.gateway.watch(), leadID, "SUCCESS")
	if err := h.gateway.stop(); err != nil {
		t.Fatal(err)
	}
	if files := filesWith(t, h.data, "ovelace"); len(files) > 0 {
		t.Errorf("the name stands in %v", files)
	}
	configure("")
	_, complaint, code := run(t, []string{"HUBSPOT_TOKEN=" + token}, "", "serve", "--config", h.config, "--listen", "127.0.0.1:0", "--data-dir", h.data)
	if code != 1 || !strings.Contains(complaint, "store.encryption_key") {
		t.Errorf("without the key it ends with %d and says %s", code, complaint)
	}
	configure("store: { encryption_key: \"${file:" + second + "}\", previous_encryption_key: \"${file:" + first + "}\" }\n")
	h.restart()
	if again := h.post("k1", ada); again.status != 200 || again.body["leadId"] != leadID {
		t.Errorf("with the key rotated its key answers %d %s", again.status, again.text)
	}
	if err := h.gateway.stop(); err != nil {
		t.Fatal(err)
	}
	out, complaint, code := run(t, []string{"HUBSPOT_TOKEN=" + token}, "", "doctor", "--config", h.config, "--data-dir", h.data)
	if code != 0 || !strings.Contains(out, " 0 damaged") {
		t.Errorf("doctor ends with %d: %s%s", code, out, complaint)
	}
}
