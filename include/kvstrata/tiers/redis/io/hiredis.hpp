// hiredis, at home: how a connection comes about, and how bytes go in and out of it.
#pragma once

#if !__has_include(<hiredis/hiredis.h>)
#error \
    "kvstrata's redis_cluster needs hiredis, which is not found: Debian and Ubuntu have it in the package libhiredis-dev; in CMake link kvstrata::redis."
#endif

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/redis/config.hpp>
#include <kvstrata/tiers/redis/io/link.hpp>
#include <kvstrata/tiers/redis/topology/address.hpp>

#include <hiredis/hiredis.h>
#if __has_include(<hiredis/hiredis_ssl.h>)
#include <hiredis/hiredis_ssl.h>
#define KVSTRATA_REDIS_HAS_TLS 1
#else
#define KVSTRATA_REDIS_HAS_TLS 0
#endif

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <system_error>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// What all connections of a client share.
class tls_context
{
 public:
  /// Throws config_error where this program cannot do TLS, or the files are not what they should be.
  explicit tls_context(const cluster_tls& c)
  {
    if (!c.on) return;
#if KVSTRATA_REDIS_HAS_TLS
    const auto text = [](const std::string& s) { return s.empty() ? nullptr : s.c_str(); };
    redisSSLContextError fault = REDIS_SSL_CTX_NONE;
    redisInitOpenSSL();
    context_.reset(redisCreateSSLContext(text(c.ca_file), nullptr, text(c.cert_file), text(c.key_file),
                                         text(c.server_name), &fault));
    if (context_ == nullptr) {
      throw config_error("redis_cluster.tls", c.ca_file.empty() ? std::string_view("on") : std::string_view(c.ca_file),
                         "its files cannot be used: " + std::string(redisSSLContextGetError(fault)));
    }
#else
    throw config_error("redis_cluster.tls", "on",
                       "TLS needs hiredis 1.0 or newer with hiredis_ssl, and this program was built without it");
#endif
  }

#if KVSTRATA_REDIS_HAS_TLS
  [[nodiscard]] redisSSLContext* get() const noexcept { return context_.get(); }

 private:
  struct frees
  {
    void operator()(redisSSLContext* c) const noexcept { redisFreeSSLContext(c); }
  };
  std::unique_ptr<redisSSLContext, frees> context_;
#endif
};

/// A socket that hiredis opened. Errors are link_fault: then it is of no use any more.
class hiredis_socket
{
 public:
  hiredis_socket(const address& where, const tls_context& tls, bool with_tls, double seconds) : where_(where)
  {
    struct ::timeval time{};
    time.tv_sec = static_cast<decltype(time.tv_sec)>(std::floor(seconds));
    time.tv_usec = static_cast<decltype(time.tv_usec)>((seconds - std::floor(seconds)) * 1e6);
    context_.reset(redisConnectWithTimeout(where.host.c_str(), where.port, time));
    if (context_ == nullptr) throw std::bad_alloc();
    if (context_->err != 0) {
      const bool late =
          context_->err == REDIS_ERR_IO && (errno == ETIMEDOUT || errno == EAGAIN || errno == EINPROGRESS);
      fail(late ? link_fault::kind::timeout : link_fault::kind::broken, context_->errstr);
    }
#if KVSTRATA_REDIS_HAS_TLS
    if (with_tls) {
      redisSetTimeout(context_.get(), time);
      if (redisInitiateSSLWithContext(context_.get(), tls.get()) != REDIS_OK) {
        fail(link_fault::kind::broken, "no TLS: " + std::string(context_->errstr));
      }
      // From here on hiredis says that it would wait, and this waits: as long as a request may, not as long as it would.
      context_->flags &= ~REDIS_BLOCK;
      const int socket = context_->fd;
      if (::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK) != 0) {
        fail(link_fault::kind::broken, std::generic_category().message(errno));
      }
      tls_ = true;
    }
#else
    static_cast<void>(tls);
    static_cast<void>(with_tls);
#endif
  }

  [[nodiscard]] const address& where() const noexcept { return where_; }

  /// Is there anything to read, or is it closed? An idle connection that answers without being asked is of no use.
  [[nodiscard]] bool is_quiet() const noexcept
  {
    if (tls_) return true;  // tickets come at any time, and are no answers
    struct ::pollfd one{.fd = context_->fd, .events = POLLIN, .revents = 0};
    return ::poll(&one, 1, 0) == 0;
  }

  /// Sends all of it. The parts are changed.
  void send(std::span<::iovec> parts, const time_limit& limit)
  {
    if (tls_) return send_by_hiredis(parts, limit);
    while (!parts.empty()) {
      struct ::msghdr message{};
      message.msg_iov = parts.data();
      message.msg_iovlen = (std::min)(parts.size(), std::size_t{IOV_MAX});
      const ::ssize_t sent = ::sendmsg(context_->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0) {
        wait_or_fail(POLLOUT, limit);
        continue;
      }
      skip(parts, static_cast<std::size_t>(sent));
    }
  }

  /// At least one byte, into the parts in their order. Returns how many.
  [[nodiscard]] std::size_t receive(std::span<const ::iovec> parts, const time_limit& limit)
  {
    for (;;) {
      ::ssize_t got = -1;
#if KVSTRATA_REDIS_HAS_TLS
      if (tls_) {
        got = context_->funcs->read(context_.get(), static_cast<char*>(parts[0].iov_base), parts[0].iov_len);
        if (got > 0) return static_cast<std::size_t>(got);
        if (got == 0) {  // not yet a whole record
          wait_for(POLLIN, limit);
          continue;
        }
        fail(link_fault::kind::broken, context_->errstr[0] != '\0' ? context_->errstr : "the connection was closed");
      }
#endif
      struct ::msghdr message{};
      message.msg_iov = const_cast<::iovec*>(parts.data());
      message.msg_iovlen = (std::min)(parts.size(), std::size_t{IOV_MAX});
      got = ::recvmsg(context_->fd, &message, MSG_DONTWAIT);
      if (got > 0) return static_cast<std::size_t>(got);
      if (got == 0) fail(link_fault::kind::broken, "the connection was closed");
      wait_or_fail(POLLIN, limit);
    }
  }

  [[noreturn]] void fail(link_fault::kind why, const std::string& text) const
  {
    throw link_fault(why, to_string(where_) + ": " + text);
  }

 private:
  struct frees
  {
    void operator()(redisContext* c) const noexcept { redisFree(c); }
  };

  static void skip(std::span<::iovec>& parts, std::size_t bytes) noexcept
  {
    while (!parts.empty() && bytes >= parts.front().iov_len) {
      bytes -= parts.front().iov_len;
      parts = parts.subspan(1);
    }
    if (bytes == 0) return;
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + bytes;
    parts.front().iov_len -= bytes;
  }

  void wait_or_fail(short events, const time_limit& limit) const
  {
    if (errno == EINTR) return;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      fail(link_fault::kind::broken, std::generic_category().message(errno));
    }
    wait_for(events, limit);
  }

  void wait_for(short events, const time_limit& limit) const
  {
    for (;;) {
      if (limit.is_over()) fail(link_fault::kind::timeout, "no answer in time");
      struct ::pollfd one{.fd = context_->fd, .events = events, .revents = 0};
      if (::poll(&one, 1, limit.slice()) > 0) return;
    }
  }

  void send_by_hiredis(std::span<::iovec> parts, const time_limit& limit)
  {
    for (const ::iovec& part : parts) {
      redisAppendFormattedCommand(context_.get(), static_cast<const char*>(part.iov_base), part.iov_len);
    }
    for (;;) {
      int done = 0;
      if (redisBufferWrite(context_.get(), &done) != REDIS_OK) fail(link_fault::kind::broken, context_->errstr);
      if (done != 0) return;
      wait_for(POLLOUT, limit);
    }
  }

  address where_;
  std::unique_ptr<redisContext, frees> context_;
  bool tls_ = false;
};

}  // namespace kvstrata::redis
