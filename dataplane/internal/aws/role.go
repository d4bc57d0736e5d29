package aws

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/token"
	"tollgate.dev/dataplane/wire"
)

const (
	answerBytesMax = 64 << 10
	defaultSession = "tollgate"
	formType       = "application/x-www-form-urlencoded; charset=utf-8"
)

// Roles assumes roles. Make one with NewRoles.
type Roles struct {
	do    func(private bool, request *http.Request) (*http.Response, error)
	now   func() time.Time
	cache *token.Cache[assumed, *wire.AWSKey]
}

// assumed is a role that a credential has assumed somewhere.
type assumed struct {
	credential wire.ID
	endpoint   string
}

// NewRoles returns Roles that call by do, which opens connections as the edge's provider connections are opened.
func NewRoles(do func(private bool, request *http.Request) (*http.Response, error), now func() time.Time) *Roles {
	return &Roles{do: do, now: now, cache: token.New[assumed, *wire.AWSKey](now)}
}

// Key returns the key that signs in a credential's name: its own, or the one that its role was given, which STS of the region tells. The
// endpoint stands in for STS on a private network; nil: Amazon's own.
func (r *Roles) Key(ctx context.Context, credential wire.ID, key *wire.AWSKey, region string, endpoint *url.URL) (*wire.AWSKey, error) {
	if key.RoleARN == "" {
		return key, nil
	}
	private := endpoint != nil
	if !private {
		endpoint = stsOf(region)
	}
	return r.cache.Get(ctx, assumed{credential, endpoint.Host}, func(ctx context.Context) (*wire.AWSKey, time.Time, error) {
		return r.assume(ctx, key, region, endpoint, private)
	})
}

// stsOf returns the endpoint of a region (https://docs.aws.amazon.com/general/latest/gr/sts.html).
func stsOf(region string) *url.URL {
	host := "sts." + region + ".amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		host += ".cn"
	}
	return &url.URL{Scheme: "https", Host: host, Path: "/"}
}

func (r *Roles) assume(ctx context.Context, key *wire.AWSKey, region string, endpoint *url.URL, private bool) (*wire.AWSKey, time.Time, error) {
	form := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {key.RoleARN}, "RoleSessionName": {key.RoleSessionName}}
	if key.RoleSessionName == "" {
		form.Set("RoleSessionName", defaultSession)
	}
	if key.ExternalID != "" {
		form.Set("ExternalId", key.ExternalID)
	}
	body := []byte(form.Encode())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint.String(), bytes.NewReader(body))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("make a request to STS: %w", err)
	}
	signed := Sign(key, &Request{
		Region: region, Service: "sts", Host: endpoint.Host, Path: endpoint.EscapedPath(), ContentType: formType, Body: [][]byte{body},
	}, r.now())
	request.Header.Set("Content-Type", formType)
	request.Header.Set("Authorization", signed.Authorization)
	request.Header.Set("X-Amz-Date", signed.Date)
	if signed.Token != "" {
		request.Header.Set("X-Amz-Security-Token", signed.Token)
	}
	response, err := r.do(private, request)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("ask STS: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read the answer of STS: %w", err)
	}
	return readAssumed(response.StatusCode, answer)
}

// errNoKey says that STS answered with something else than a key.
var errNoKey = errors.New("STS answered without a key")

// readAssumed reads STS's answer (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html).
func readAssumed(status int, answer []byte) (*wire.AWSKey, time.Time, error) {
	if status != http.StatusOK {
		var refused struct {
			Code string `xml:"Error>Code"`
		}
		_ = xml.Unmarshal(answer, &refused) // what it says is a courtesy
		return nil, time.Time{}, fmt.Errorf("STS refused with status %d %s", status, refused.Code)
	}
	var found struct {
		ID         string    `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		Secret     string    `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		Token      string    `xml:"AssumeRoleResult>Credentials>SessionToken"`
		Expiration time.Time `xml:"AssumeRoleResult>Credentials>Expiration"`
	}
	if err := xml.Unmarshal(answer, &found); err != nil {
		return nil, time.Time{}, fmt.Errorf("%w: %w", errNoKey, err)
	}
	if found.ID == "" || found.Secret == "" || found.Token == "" || found.Expiration.IsZero() {
		return nil, time.Time{}, errNoKey
	}
	return &wire.AWSKey{AccessKeyID: found.ID, SecretAccessKey: found.Secret, SessionToken: found.Token}, found.Expiration, nil
}
