package main_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func recipe(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// manifest is the part of a Kubernetes object that the tests look at.
type manifest struct {
	Kind string
	Data map[string]string
	Spec struct {
		Template struct {
			Spec struct {
				Containers []struct {
					Image     string
					Startup   probe `yaml:"startupProbe"`
					Readiness probe `yaml:"readinessProbe"`
					Liveness  probe `yaml:"livenessProbe"`
				}
			}
		}
	}
}

type probe struct {
	Get struct{ Path string } `yaml:"httpGet"`
}

// TestTheRecipesFitTheBinary checks that their configuration is valid, and that the gateway answers their requests.
func TestTheRecipesFitTheBinary(t *testing.T) {
	t.Parallel()
	secrets := t.TempDir()
	for _, name := range []string{"hubspot-token", "shop-key", "ops-key"} {
		if err := os.WriteFile(filepath.Join(secrets, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := newHouse(t)
	configurations, probes := 0, 0
	decoder := yaml.NewDecoder(bytes.NewReader(recipe(t, "kubernetes.yaml")))
	for {
		var m manifest
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if text := m.Data["leadgate.yaml"]; text != "" {
			configurations++
			path := writeConfig(t, strings.ReplaceAll(text, "/etc/leadgate/secrets", secrets))
			if _, complaint, code := run(t, nil, "", "check", "--config", path); code != 0 {
				t.Errorf("the configuration for Kubernetes: %s", complaint)
			}
		}
		for _, c := range m.Spec.Template.Spec.Containers {
			for _, name := range []string{"kubernetes.yaml", "README.md"} {
				if !strings.Contains(string(recipe(t, name)), "docker build -f server/deploy/Dockerfile -t "+c.Image) {
					t.Errorf("%s does not say how %s is built", name, c.Image)
				}
			}
			for _, path := range []string{c.Startup.Get.Path, c.Readiness.Get.Path, c.Liveness.Get.Path} {
				probes++
				if a := request(t, http.MethodGet, h.url(path), "", ""); a.status != http.StatusOK {
					t.Errorf("a probe asks for %s and gets %d", path, a.status)
				}
			}
		}
	}
	if configurations != 1 || probes != 3 {
		t.Errorf("%d configurations and %d probes were found", configurations, probes)
	}
	var compose struct{ Services map[string]any }
	if err := yaml.Unmarshal(recipe(t, "compose.yaml"), &compose); err != nil || compose.Services["leadgate"] == nil {
		t.Errorf("compose.yaml: %v", err)
	}
	module, err := os.ReadFile("../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(module))[1]
	for name, words := range map[string][]string{
		"compose.yaml": {`"/usr/local/bin/leadgate", "health"`},
		"Dockerfile":   {"golang:" + version + "-", "LEADGATE_LISTEN=:8080", "LEADGATE_DATA_DIR=/var/lib/leadgate", "LEADGATE_CONFIG=/etc/leadgate/leadgate.yaml", "nonroot"},
	} {
		for _, word := range words {
			if !strings.Contains(string(recipe(t, name)), word) {
				t.Errorf("%s lacks %s", name, word)
			}
		}
	}
}

func TestHealthIsAnExitCode(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if out, complaint, code := run(t, nil, "", "health", "--server", h.gateway.address); code != 0 || out != "ready\n" {
		t.Errorf("a gateway that is well: %d, %s%s", code, out, complaint)
	}
	h.gateway.kill()
	if _, complaint, code := run(t, nil, "", "health", "--server", h.gateway.address); code != 1 || !strings.Contains(complaint, h.gateway.address) {
		t.Errorf("no gateway: %d, %s", code, complaint)
	}
}
