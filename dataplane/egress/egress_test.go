package egress

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

func TestSpecialAddressesAreRefused(t *testing.T) {
	t.Parallel()
	d := New(nil)
	for _, address := range []string{
		"127.0.0.1:80", "127.8.9.10:80", "0.0.0.0:80", "0.1.2.3:80", "10.0.0.1:80", "172.16.0.1:80", "172.31.255.255:80", "192.168.1.1:80",
		"169.254.169.254:80", "169.254.0.1:80", "100.64.0.1:80", "100.127.255.255:80", "192.0.0.1:80", "192.0.2.1:80", "198.18.0.1:80",
		"198.19.255.255:80", "198.51.100.7:80", "203.0.113.9:80", "224.0.0.1:80", "239.255.255.255:80", "240.0.0.1:80", "255.255.255.255:80",
		"192.88.99.1:80", "[::]:80", "[::1]:80", "[::ffff:127.0.0.1]:80", "[::ffff:10.0.0.1]:80", "[::127.0.0.1]:80", "[64:ff9b::7f00:1]:80",
		"[64:ff9b::a9fe:a9fe]:80", "[64:ff9b:1::1]:80", "[100::1]:80", "[2001::1]:80", "[2001:db8::1]:80", "[2002:7f00:1::]:80", "[fc00::1]:80",
		"[fd00:ec2::254]:80", "[fe80::1]:80", "[fe80::1%eth0]:80", "[fec0::1]:80", "[ff02::1]:80", "nonsense", "1.2.3.4", "",
	} {
		if d.permits(address, false) || d.permits(address, true) {
			t.Errorf("%s is let through", address)
		}
	}
	for _, address := range []string{"1.1.1.1:443", "8.8.8.8:80", "172.32.0.1:443", "100.128.0.1:443", "[2606:4700::1111]:443", "[2a00:1450::1]:443"} {
		if !d.permits(address, false) {
			t.Errorf("%s is refused", address)
		}
	}
}

func TestAllowanceNeedsBothOperatorAndProvider(t *testing.T) {
	t.Parallel()
	d := New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("0.0.0.0/0")})
	if !d.permits("127.0.0.1:9000", true) || !d.permits("[::ffff:127.0.0.1]:9000", true) {
		t.Error("an allowed range is refused to a private provider")
	}
	if d.permits("127.0.0.1:9000", false) {
		t.Error("an allowed range is open to a provider that is not private")
	}
	if d.permits("169.254.169.254:80", true) || d.permits("0.0.0.0:80", true) || d.permits("224.0.0.1:80", true) {
		t.Error("an allowance opens the metadata service, the unspecified address or multicast")
	}
}

func TestNamesAreJudgedByTheirAddress(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"localhost:80", "localhost.:80", "127.0.0.1:80", "[::1]:80"} {
		_, err := New(nil).Dial(t.Context(), address, true)
		if !errors.Is(err, ErrForbidden) && !errors.Is(err, ErrUnresolved) {
			t.Errorf("%s: got %v", address, err)
		}
	}
	for _, address := range []string{"0x7f000001:80", "2130706433:80", "0177.0.0.1:80", "127.1:80"} {
		conn, err := New(nil).Dial(t.Context(), address, true)
		if err == nil {
			_ = conn.Close()
			t.Errorf("%s: connected", address)
		}
	}
}

func TestDialTellsOnlyWhatItMay(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	d := New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	conn, err := d.Dial(t.Context(), address, true)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	_ = listener.Close()
	if _, err := d.Dial(t.Context(), address, true); !errors.Is(err, ErrUnreachable) || err.Error() != ErrUnreachable.Error() {
		t.Errorf("a closed port says %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if _, err := d.Dial(ctx, address, true); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a context that is over says %v", err)
	}
}

func TestClientFollowsNoRedirectAndKnowsNoProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:9")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			t.Errorf("%s was asked for", r.URL.Path)
		}
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer server.Close()
	ask := func(client *http.Client) (*http.Response, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		return client.Do(request)
	}
	answer, err := ask(New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).Client(true, time.Minute))
	if err != nil || answer.StatusCode != http.StatusFound {
		t.Fatalf("%v, %v", answer, err)
	}
	_ = answer.Body.Close()
	if answer, err = ask(New(nil).Client(true, time.Minute)); !errors.Is(err, ErrForbidden) {
		t.Errorf("without allowance: %v", err)
	}
	if answer != nil {
		_ = answer.Body.Close()
	}
}

func TestParseAllowReadsRanges(t *testing.T) {
	t.Parallel()
	allow, err := ParseAllow("10.1.2.3/16, ::1/128")
	if err != nil || len(allow) != 2 || allow[0].String() != "10.1.0.0/16" || allow[1].String() != "::1/128" {
		t.Errorf("%v, %v", allow, err)
	}
	for _, text := range []string{"", "10.1.2.3", "10.0.0.0/33", "10.0.0.0/8;10.1.0.0/16"} {
		if allow, err := ParseAllow(text); err == nil {
			t.Errorf("%q is %v", text, allow)
		}
	}
}
