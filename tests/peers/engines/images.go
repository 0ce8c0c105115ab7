package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
)

const (
	imageConfig  = "application/vnd.oci.image.config.v1+json"
	dockerConfig = "application/vnd.docker.container.image.v1+json"
	imageLayer   = "application/vnd.oci.image.layer.v1.tar+gzip"
	dockerLayer0 = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	inToto       = "application/vnd.in-toto+json"
	simple       = "application/vnd.dev.cosign.simplesigning.v1+json"
	emptyType    = "application/vnd.oci.empty.v1+json"
	octets       = "application/octet-stream"
)

// shop makes the blobs of a case.
type shop struct {
	blobs map[string][]byte
	// They may change a document, or the config of an image, before it is written; nothing by default.
	change, changeConfig func(*members)
}

func newShop() *shop {
	nothing := func(*members) {}
	return &shop{blobs: map[string][]byte{}, change: nothing, changeConfig: nothing}
}

func (s *shop) put(body []byte) (string, int) {
	name := digest.FromBytes(body).String()
	s.blobs[name] = body
	return name, len(body)
}

func (s *shop) blob(mediaType string, body []byte) *members {
	name, size := s.put(body)
	return value(pairs{"mediaType", mediaType, "digest", name, "size", size}).(*members)
}

// document stores a document, and gives its descriptor.
func (s *shop) document(mediaType string, body *members) *members {
	s.change(body)
	return s.blob(mediaType, text(body))
}

// tree is a layer of one file, and its plain tar's digest.
func tree(name, compression string) (layer []byte, diff string) {
	var plain, packed bytes.Buffer
	writer := tar.NewWriter(&plain)
	if err := writer.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(name))}); err != nil {
		panic(err)
	}
	if _, err := writer.Write([]byte(name)); err != nil {
		panic(err)
	}
	writer.Close()
	diff = digest.FromBytes(plain.Bytes()).String()
	switch compression {
	case "gzip":
		packer, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		packer.Write(plain.Bytes())
		packer.Close()
	case "zstd":
		packer, _ := zstd.NewWriter(&packed)
		packer.Write(plain.Bytes())
		packer.Close()
	default:
		return plain.Bytes(), diff
	}
	return packed.Bytes(), diff
}

// textualTree is a layer of one file that is JSON as well: 1024 characters, none of which is a control character.
func textualTree() (layer []byte, diff string) {
	header := bytes.Repeat([]byte(" "), 512)
	field := func(at int, text string) { copy(header[at:], text) }
	field(0, `{"critical":"`)
	field(100, "0000755 0000000 0000000 00000001000 00000000000 ")
	field(156, "0")
	sum := 0
	for _, one := range header {
		sum += int(one)
	}
	field(148, fmt.Sprintf("%06o  ", sum))
	layer = append(header, bytes.Repeat([]byte("x"), 512)...)
	copy(layer[1022:], `"}`)
	return layer, digest.FromBytes(layer).String()
}

// recipe is an image before it is written.
type recipe struct {
	manifestType, configType string
	platform                 string // architecture
	layers                   []string
	layerType, upperType     string // of the first layer, and of those above if it is another
	compression              string
}

// untyped is a media type that is there and empty.
const untyped = "untyped"

func typed(mediaType string) string {
	if mediaType == untyped {
		return ""
	}
	return mediaType
}

func (s *shop) image(r recipe) *members {
	if r.manifestType == "" {
		r.manifestType = ociManifest
	}
	if r.configType == "" {
		r.configType = imageConfig
	}
	if r.layerType == "" {
		r.layerType = imageLayer
	}
	if r.compression == "" {
		r.compression = "gzip"
	}
	if r.platform == "" {
		r.platform = "amd64"
	}
	diffs, layers := []any{}, []any{}
	for _, name := range r.layers {
		body, diff := tree(name, r.compression)
		diffs = append(diffs, diff)
		layers = append(layers, s.blob(typed(r.layerType), body))
		if r.upperType != "" {
			r.layerType = r.upperType
		}
	}
	config := value(pairs{
		"architecture", r.platform, "os", "linux", "config", pairs{"Entrypoint", []any{"/" + r.layers[0]}},
		"rootfs", pairs{"type", "layers", "diff_ids", diffs},
	}).(*members)
	s.changeConfig(config)
	return s.document(r.manifestType, manifestOf(r.manifestType, s.blob(typed(r.configType), text(config)), layers))
}

func manifestOf(mediaType string, config node, layers []any) *members {
	return value(pairs{"schemaVersion", 2, "mediaType", mediaType, "config", config, "layers", layers}).(*members)
}

func (s *shop) index(mediaType string, entries ...node) *members {
	listed := []any{}
	for _, entry := range entries {
		listed = append(listed, entry)
	}
	return s.document(mediaType, value(pairs{"schemaVersion", 2, "mediaType", mediaType, "manifests", listed}).(*members))
}

// on says for which platform an entry is.
func on(architecture string, entry *members) *members {
	entry.set("platform", pairs{"architecture", architecture, "os", "linux"})
	return entry
}

// attached is a manifest of text: a signature, an attestation.
func (s *shop) attached(configType, configText, layerType, layerText string) *members {
	layer := s.blob(layerType, []byte(layerText))
	return s.document(ociManifest, manifestOf(ociManifest, s.blob(configType, []byte(configText)), []any{layer}))
}

const (
	statement = `{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"https://slsa.dev/provenance/v1","predicate":{}}`
	payload   = `{"critical":{"identity":{"docker-reference":"x"},"image":{"docker-manifest-digest":"sha256:x"},"type":"cosign container image signature"},"optional":null}`
)

func (s *shop) attestation() *members {
	config := `{"architecture":"unknown","os":"unknown","config":{},"rootfs":{"type":"layers","diff_ids":["` + digest.FromString(statement).String() + `"]}}`
	entry := s.attached(imageConfig, config, inToto, statement)
	entry.set("annotations", pairs{"vnd.docker.reference.type", "attestation-manifest", "vnd.docker.reference.digest", digest.FromString("image").String()})
	entry.set("platform", pairs{"architecture", "unknown", "os", "unknown"})
	return entry
}

func (s *shop) signature() *members {
	config := `{"architecture":"","created":"0001-01-01T00:00:00Z","os":"","config":{},"rootfs":{"type":"layers","diff_ids":["` + digest.FromString(payload).String() + `"]}}`
	return s.attached(imageConfig, config, simple, payload)
}

func (s *shop) helm() *members {
	chart, _ := tree("Chart.yaml", "gzip")
	layer := s.blob("application/vnd.cncf.helm.chart.content.v1.tar+gzip", chart)
	config := s.blob("application/vnd.cncf.helm.config.v1+json", []byte(`{"name":"chart","version":"0.1.0","apiVersion":"v2"}`))
	return s.document(ociManifest, manifestOf(ociManifest, config, []any{layer}))
}

func (s *shop) artifact() *members {
	empty := s.blob(emptyType, []byte("{}"))
	body := manifestOf(ociManifest, empty, []any{s.blob("text/plain", []byte("hello\n"))})
	body.add("artifactType", "application/x-example")
	return s.document(ociManifest, body)
}

// asCase is a case whose entry is what the descriptor names.
func (s *shop) asCase(name string, descriptor *members) *Case {
	var entry Entry
	if err := jsonDecode(text(descriptor), &entry); err != nil {
		panic(err)
	}
	return &Case{Name: name, Entry: entry, Blobs: s.blobs}
}
