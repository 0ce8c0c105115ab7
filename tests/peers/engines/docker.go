package main

import (
	"context"
	"errors"
	"io"
	"net/url"

	"github.com/containerd/containerd/v2/core/content"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/events"
	authtypes "github.com/docker/docker/api/types/registry"
	docker "github.com/docker/docker/distribution"
	"github.com/docker/docker/distribution/xfer"
	"github.com/docker/docker/layer"
	"github.com/docker/docker/pkg/progress"
	dockerregistry "github.com/docker/docker/registry"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// dockerRuns is what dockerd (with its own store of images; with containerd's it does what containerd does) pulls for a platform: its whole
// pull, from a registry, into stores of our own.
func dockerRuns(s *shelf, platform ocispec.Platform) string {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	repository, address, done := served.open(s, cancel)
	defer done()
	named, err := reference.WithName("engines.test/" + repository)
	if err != nil {
		panic(err)
	}
	pinned, err := reference.WithDigest(named, digest.Digest(s.entry.Digest))
	if err != nil {
		return ""
	}
	images := &dockerImages{}
	config := &docker.ImagePullConfig{
		Config: docker.Config{
			AuthConfig:       &authtypes.AuthConfig{},
			ProgressOutput:   progress.DiscardOutput(),
			RegistryService:  endpoint(address),
			ImageEventLogger: func(context.Context, string, string, events.Action) {},
			MetadataStore:    noMetadata{},
			ImageStore:       images,
		},
		DownloadManager: xfer.NewLayerDownloadManager(&dockerLayers{known: map[layer.ChainID]*dockerLayer{}}, 1, xfer.WithMaxDownloadAttempts(1)),
		Platform:        &platform,
	}
	if docker.Pull(ctx, pinned, config, noContent{}) != nil || !images.put {
		return ""
	}
	return s.last
}

type endpoint string

func (e endpoint) ResolveAuthConfig(map[string]authtypes.AuthConfig, reference.Named) authtypes.AuthConfig {
	return authtypes.AuthConfig{}
}
func (e endpoint) LookupPushEndpoints(string) ([]dockerregistry.APIEndpoint, error) {
	return nil, errors.New("never")
}
func (e endpoint) LookupPullEndpoints(string) ([]dockerregistry.APIEndpoint, error) {
	return []dockerregistry.APIEndpoint{{URL: &url.URL{Scheme: "http", Host: string(e)}}}, nil
}

type noMetadata struct{}

func (noMetadata) Get(string, string) ([]byte, error) { return nil, errors.New("nothing is known") }
func (noMetadata) Set(string, string, []byte) error   { return nil }
func (noMetadata) Delete(string, string) error        { return nil }

type dockerImages struct{ put bool }

func (i *dockerImages) Put(_ context.Context, config []byte) (digest.Digest, error) {
	i.put = true
	return digest.FromBytes(config), nil
}
func (i *dockerImages) Get(context.Context, digest.Digest) ([]byte, error) {
	return nil, errors.New("nothing is here yet")
}

// noContent is a store of content that keeps nothing, so that each manifest is asked for.
type noContent struct{}

func (noContent) Writer(context.Context, ...content.WriterOpt) (content.Writer, error) {
	return nil, cerrdefs.ErrUnavailable
}
func (noContent) ReaderAt(context.Context, ocispec.Descriptor) (content.ReaderAt, error) {
	return nil, cerrdefs.ErrNotFound
}
func (noContent) Info(context.Context, digest.Digest) (content.Info, error) {
	return content.Info{}, cerrdefs.ErrNotFound
}
func (noContent) Abort(context.Context, string) error { return nil }
func (noContent) Update(_ context.Context, info content.Info, _ ...string) (content.Info, error) {
	return info, nil
}

// dockerLayers unpacks layers and forgets them.
type dockerLayers struct {
	layer.Store // nil: the rest is not used by a pull
	known       map[layer.ChainID]*dockerLayer
}

func (l *dockerLayers) Register(plain io.Reader, parent layer.ChainID) (layer.Layer, error) {
	diff, err := untar(plain)
	if err != nil {
		return nil, err
	}
	chain := layer.CreateChainID([]layer.DiffID{layer.DiffID(diff)})
	if parent != "" {
		chain = layer.ChainID(digest.FromString(string(parent) + " " + diff.String()))
	}
	one := &dockerLayer{diff: layer.DiffID(diff), chain: chain, parent: l.known[parent]}
	l.known[chain] = one
	return one, nil
}
func (l *dockerLayers) Get(chain layer.ChainID) (layer.Layer, error) {
	if one, ok := l.known[chain]; ok {
		return one, nil
	}
	return nil, layer.ErrLayerDoesNotExist
}
func (l *dockerLayers) Release(layer.Layer) ([]layer.Metadata, error) { return nil, nil }

type dockerLayer struct {
	layer.Layer // nil: the rest is not used by a pull
	diff        layer.DiffID
	chain       layer.ChainID
	parent      *dockerLayer
}

func (l *dockerLayer) DiffID() layer.DiffID   { return l.diff }
func (l *dockerLayer) ChainID() layer.ChainID { return l.chain }
func (l *dockerLayer) Parent() layer.Layer {
	if l.parent == nil {
		return nil
	}
	return l.parent
}
