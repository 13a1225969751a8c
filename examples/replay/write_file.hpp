// Writes a text to a file, or says why not.
#pragma once

#include <kvstrata/core/error.hpp>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

namespace replay {

/// Throws kvstrata::data_error when the file could not be written: to learn it before a long run. What is there stays.
inline void require_writable(const std::string& path)
{
  if (!std::ofstream(path, std::ios::binary | std::ios::app)) {
    throw kvstrata::data_error(path, 0, std::string("cannot be written: ") + std::strerror(errno));
  }
}

inline void write_file(const std::string& path, const std::string& text)
{
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  if (!file) throw kvstrata::data_error(path, 0, std::string("cannot be written: ") + std::strerror(errno));
  file << text;
  file.close();
  if (!file) throw kvstrata::data_error(path, 0, "could not be written to its end; is the disk full?");
}

}  // namespace replay
