// Misuse is an exception with a sentence in it; pressure is a value (core/result.hpp).
//
//   error
//   |- config_error     a size or option that is zero, does not fit, or contradicts another
//   |- geometry_error   KV of another shape than the cache was built for
//   |- capacity_error   a batch that can never fit, or memory that cannot be had
//   |- history_error    a request that contradicts what is cached of its user
//   |- usage_error      a call that is never right: commit twice, use after close, ...
//   |- contract_error   a policy or a layout of yours does what its concept's table does not allow: named by its type
//   |- device_error     the device reports that earlier work failed
//   |- copy_refused     the device did not take a copy, and works on: a cache drops that copy and serves on
//   `- data_error       an unreadable or malformed trace: file, line, reason
#pragma once

#include <kvstrata/core/namespace.hpp>  // first

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct error : std::runtime_error
{
  using std::runtime_error::runtime_error;
};

struct geometry_error : error
{
  using error::error;
};

struct capacity_error : error
{
  using error::error;
};

struct history_error : error
{
  using error::error;
};

struct usage_error : error
{
  using error::error;
};

struct contract_error : error
{
  using error::error;
};

struct device_error : error
{
  using error::error;
};

struct copy_refused : error
{
  using error::error;
};

/// Names the field, the value it had and the limit it broke.
struct config_error : error
{
  config_error(std::string_view field, std::string_view value, std::string_view limit)
      : error(std::string(field) + " is " + std::string(value) + ", but " + std::string(limit))
  {
  }
  config_error(std::string_view field, std::uint64_t value, std::string_view limit)
      : config_error(field, std::to_string(value), limit)
  {
  }
};

/// Names the file, the line (1-based; 0 when the file as a whole is meant) and the reason.
struct data_error : error
{
  data_error(std::string_view file, std::uint64_t line, std::string_view reason)
      : error(std::string(file) + (line != 0 ? std::string(1, ':').append(std::to_string(line)) : std::string()) +
              ": " + std::string(reason))
  {
  }
};

}  // namespace kvstrata
