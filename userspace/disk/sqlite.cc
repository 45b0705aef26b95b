// SPDX-License-Identifier: Apache-2.0
#include "sqlite.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr int kResultMask = 0xff;  // extended result codes have the plain one in the low byte

}  // namespace

Statement& Statement::Bind(int parameter, std::string_view text) {
  const int error = sqlite3_bind_text64(statement_.get(), parameter, text.data(), text.size(),
                                        SQLITE_STATIC, SQLITE_UTF8);
  bind_error_ = bind_error_ == SQLITE_OK ? error : bind_error_;
  return *this;
}

Statement& Statement::Bind(int parameter, std::int64_t number) {
  const int error = sqlite3_bind_int64(statement_.get(), parameter, number);
  bind_error_ = bind_error_ == SQLITE_OK ? error : bind_error_;
  return *this;
}

int Statement::Step() {
  return bind_error_ == SQLITE_OK ? sqlite3_step(statement_.get()) : bind_error_;
}

void Statement::Reset() {
  // What it returns is the error of the last step again.
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  bind_error_ = SQLITE_OK;
}

std::string Statement::Text(int column) const {
  const void* text = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return text == nullptr
             ? std::string()
             : std::string(static_cast<const char*>(text), static_cast<std::size_t>(size));
}

std::int64_t Statement::Number(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

Result<Database> Database::Open(const std::string& path) {
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int error = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  Database database(raw, path);
  if (error != SQLITE_OK) {
    return database.Failure("open");
  }
  // Against files that were made to harm: no writes to the schema, no functions from it.
  sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return database;
}

Result<Statement> Database::Prepare(std::string_view sql) const {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &raw, nullptr) != SQLITE_OK) {
    return Failure("prepare");
  }
  return Statement(raw);
}

Result<void> Database::Run(const char* sql, std::string_view what) const {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return Failure(what);
  }
  return {};
}

Result<std::int64_t> Database::Number(const char* sql) const {
  Result<Statement> statement = Prepare(sql);
  if (!statement) {
    return tl::unexpected<Error>(statement.error());
  }
  if (statement->Step() != SQLITE_ROW) {
    return Failure("read");
  }
  return statement->Number(0);
}

Result<void> Database::Transact(const char* begin,
                                const std::function<Result<void>()>& work) const {
  if (Result<void> begun = Run(begin, "begin"); !begun) {
    return begun;
  }
  Result<void> done = work().and_then([&] { return Run("COMMIT", "commit"); });
  // Some errors have rolled it back already.
  if (!done && sqlite3_get_autocommit(database_.get()) == 0) {
    sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  return done;
}

void Database::WriteBackOnClose(bool enabled) const {
  sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, enabled ? 0 : 1, nullptr);
}

tl::unexpected<Error> Database::Failure(std::string_view what) const {
  if (!database_) {
    return Fail(fmt::format("{}: {}: out of memory", path_, what));
  }
  switch (sqlite3_extended_errcode(database_.get()) & kResultMask) {
    case SQLITE_BUSY:
      return Fail(fmt::format("{}: another process has it locked", path_));
    case SQLITE_NOTADB:
      return Fail(fmt::format("{}: not a database", path_));
    case SQLITE_CORRUPT:
      return Fail(fmt::format("{}: damaged: {}", path_, sqlite3_errmsg(database_.get())));
    default:
      return Fail(fmt::format("{}: {}: {}", path_, what, sqlite3_errmsg(database_.get())));
  }
}

}  // namespace vsplit
