package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// nginxConf is a plain proxy: keep-alive on both sides, nothing logged, bodies in memory, answers passed on as they come.
const nginxConf = `daemon off;
worker_processes 2;
pid %[1]s/nginx.pid;
error_log stderr warn;
events { worker_connections 2048; }
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  client_max_body_size 0;
  client_body_buffer_size 1m;
  keepalive_requests 10000000;
  upstream provider { server %[2]s; keepalive 256; keepalive_requests 10000000; }
  server {
    listen %[3]s;
    location / {
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }
  }
}
`

// startNginx starts nginx from PATH with a configuration of its own in dir.
func startNginx(ctx context.Context, dir, upstream string) (*rig.Process, string, error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		return nil, "", errors.New("nginx is not installed: apt-get install nginx-light")
	}
	addr, err := rig.FreeAddr()
	if err != nil {
		return nil, "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, "", err
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, upstream, addr), 0o600); err != nil {
		return nil, "", err
	}
	process := rig.NewProcess("nginx", dir, program, []string{"-c", conf, "-p", dir, "-e", "stderr"}, nil)
	if err := process.Start(); err != nil {
		return nil, "", err
	}
	err = rig.Until(ctx, func() error {
		c := &client{addr: addr}
		defer c.close()
		return c.exchange(Body{Size: 1000}.request(Target{Addr: addr}))
	})
	if err != nil {
		process.Stop(time.Second)
		return nil, "", fmt.Errorf("nginx does not answer: %w: %s", err, process.Tail(5))
	}
	return process, addr, nil
}
