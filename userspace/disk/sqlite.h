// SPDX-License-Identifier: Apache-2.0
// Owners of what the C interface of SQLite hands out.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "vsplit/result.h"

namespace vsplit {

// A prepared statement: Bind values, from parameter 1; Step; read columns, from 0; Reset.
class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  // The text must live until Reset.
  Statement& Bind(int parameter, std::string_view text);
  Statement& Bind(int parameter, std::int64_t number);

  int Step();  // SQLITE_ROW, SQLITE_DONE or an error code, that of a Bind before it included
  void Reset();

  std::string Text(int column) const;
  std::int64_t Number(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bind_error_ = SQLITE_OK;
};

// A connection. Its statements must be gone before it.
class Database {
 public:
  // The file must exist.
  static Result<Database> Open(const std::string& path);

  Result<Statement> Prepare(std::string_view sql) const;
  // `what` is for the message: "commit".
  Result<void> Run(const char* sql, std::string_view what) const;
  Result<std::int64_t> Number(const char* sql) const;  // the first column of the first row

  // The work as one transaction, which `begin` opens; rolled back when any of it fails.
  Result<void> Transact(const char* begin, const std::function<Result<void>()>& work) const;

  // Whether closing the connection writes the journal back into the file, which is what SQLite does
  // unless told otherwise.
  void WriteBackOnClose(bool enabled) const;

  // "<path>: <what>: <what SQLite says of the last call>".
  tl::unexpected<Error> Failure(std::string_view what) const;

  const std::string& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
  };
  Database(sqlite3* database, std::string path) : database_(database), path_(std::move(path)) {}

  std::unique_ptr<sqlite3, Close> database_;
  std::string path_;
};

}  // namespace vsplit
