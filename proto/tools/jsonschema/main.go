// Command jsonschema is a protoc plugin that writes the schema of the configuration file for editors, leadgate.schema.json, from
// proto/leadgate/config with its comments and rules. It covers what an editor can check while somebody types; leadgate check does
// the rest.
//
// The output is JSON Schema draft 7, which YAML editors support best.
package main

import (
	"bytes"
	"encoding/json"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/pluginpb"
)

const (
	// The message of the configuration file.
	rootMessage = "leadgate.config.v1.Config"
	outputFile  = "leadgate.schema.json"
)

func main() {
	protogen.Options{}.Run(func(plugin *protogen.Plugin) error {
		plugin.SupportedFeatures = uint64(pluginpb.CodeGeneratorResponse_FEATURE_PROTO3_OPTIONAL)
		for _, file := range plugin.Files {
			for _, message := range file.Messages {
				if !file.Generate || message.Desc.FullName() != rootMessage {
					continue
				}
				if err := write(plugin.NewGeneratedFile(outputFile, ""), message); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func write(out *protogen.GeneratedFile, message *protogen.Message) error {
	b := builder{definitions: map[string]*schema{}}
	root := b.message(message)
	root.Schema, root.Title, root.Definitions = "http://json-schema.org/draft-07/schema#", "leadgate.yaml", b.definitions
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		return err
	}
	_, err := out.Write(text.Bytes())
	return err
}
